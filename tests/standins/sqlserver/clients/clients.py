"""The clients: where each comes from, how its program is built and called, what it cannot do."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import cases

HERE = pathlib.Path(__file__).resolve().parent
FETCH_SECONDS_MAX = 900
RUN_SECONDS_MAX = 120
NO_SERVER_CURSORS = {key: "0" if key.startswith("array") else value
                     for key, value in cases.CASES["server_cursors"].items()}


class Limit:
    """What a client itself cannot do: in `names` of CASES, for `keys` (a type, or TYPE.ROW).

    Without keys the client has nothing to do the case with, and its program leaves the case out.
    """

    def __init__(self, names, keys, reason):
        self.names, self.keys, self.reason = names.split(), keys.split(), reason


def run(command, log, **more):
    """Runs a build step; what it says goes to `log` and into the error."""
    with open(log, "ab") as file:
        code = subprocess.run([str(c) for c in command], stdout=file, stderr=file,
                              stdin=subprocess.DEVNULL, timeout=FETCH_SECONDS_MAX, check=False,
                              **more).returncode
    if code != 0:
        tail = pathlib.Path(log).read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(str(c) for c in command)} ended with {code}:\n{tail}")


class Client:
    """name: its folder here, and its column's key. title: the column's head."""

    name = title = ""
    sources = ()  # files under HERE that decide whether what was built is still right
    limits = ()
    expected = {}  # where this client is to be answered differently: case -> values

    def build(self, folder, log):
        """Puts everything into `folder`, which is empty."""

    def command(self, folder, server):
        """The program's command line and environment."""
        raise NotImplementedError

    def types_left_out(self):
        return ()

    def key(self):
        """Changes whenever what is in the cache has to be made anew."""
        digest = hashlib.sha256()
        for source in self.sources:
            digest.update((HERE / source).read_bytes())
        return digest.hexdigest()[:16]

    def why_not(self):
        """A sentence if this client must not be run here."""
        return ""


class Odbc(Client):
    """ODBC drivers through unixODBC; the program is built with the rest of the tree."""

    def __init__(self, program):
        self.program = program

    def strings(self, folder, server):
        """Connection strings: plain, TLS, strict."""
        raise NotImplementedError

    def command(self, folder, server):
        environment = {"LC_ALL": "C.UTF-8", "ODBCSYSINI": str(server.folder)}
        return [self.program, server.types_file, *self.strings(folder, server)], environment


_DATES = "date.low datetime2.low datetime2_3.low"
_OFFSETS = "datetimeoffset.low datetimeoffset.empty datetimeoffset3.low datetimeoffset3.empty"


class FreeTds(Odbc):
    name, title = "freetds", "FreeTDS 1.3 (Debian tdsodbc)"
    limits = (
        Limit("connect_strict", "", "FreeTDS speaks TDS 8 from 1.5."),
        Limit("parameters prepared", _DATES, "FreeTDS sends the day before 0001-01-01 for it."),
        Limit("parameters prepared", _OFFSETS,
              "FreeTDS sends a datetimeoffset of UTC only (SQLSTATE 22018)."),
        Limit("server_cursors", "refreshed", "FreeTDS has no SQL_REFRESH."),
        Limit("server_cursors", "deleted_row", "FreeTDS does not look at ROWSTAT."),
        Limit("bulk_load", "", "unixODBC has no bulk load."),
    )
    # FreeTDS has one ODBC type for decimal and numeric.
    expected = {"server_cursors": NO_SERVER_CURSORS,
                "catalog": {"described": "id 4,customer -9,amount 2"}}

    def strings(self, folder, server):
        text = (f"Driver=/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so;Server=127.0.0.1;"
                f"Port={server.port};UID={cases.USER};PWD={cases.PASSWORD};TDS_Version=7.4;"
                f"ClientCharset=UTF-8;Database={cases.DATABASE};Encryption=")
        return [text + "off", text + "require", ""]


class MsOdbc(Odbc):
    """Microsoft's driver may be copied for tests, not passed on: it stays in the user's cache."""

    name, title = "msodbcsql18", "msodbcsql18 18.6.2.2"
    sources = ("msodbcsql18/requirements.txt",)
    limits = (Limit("bulk_load", "", "unixODBC has no bulk load."),)
    library = "mssql_python_odbc/libs/linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18.6.so.2.1"

    def why_not(self):
        if os.environ.get("DSTREAM_ACCEPT_MSODBC_EULA") == "1":
            return ""
        return "needs DSTREAM_ACCEPT_MSODBC_EULA=1 (its licence, for developing and testing)"

    def build(self, folder, log):
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary",
             ":all:", "-d", folder, "-r", HERE / self.sources[0]], log)
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            wheel.unlink()
        if not (folder / self.library).exists():
            raise RuntimeError(f"the wheel has no {self.library}")

    def strings(self, folder, server):
        text = (f"Driver={folder / self.library};Server=tcp:127.0.0.1,{server.port};"
                f"UID={cases.USER};PWD={cases.PASSWORD};Database={cases.DATABASE};Encrypt=")
        return [text + "no", text + "yes;TrustServerCertificate=yes",
                text + f"strict;ServerCertificate={server.certificate}"]


class Tedious(Client):
    name, title = "tedious", "tedious 19.2.2"
    sources = ("tedious/package.json", "tedious/package-lock.json")
    limits = (
        Limit("read", "decimal numeric money", "tedious makes doubles of decimals."),
        Limit("parameters prepared", "decimal numeric money", "tedious sends doubles for decimals."),
        Limit("read parameters prepared", "datetimeoffset datetimeoffset3",
              "tedious has no offset in its dates."),
        Limit("catalog", "", "tedious has no catalog functions."),
        Limit("server_cursors", "", "tedious has no server cursors."),
    )

    def build(self, folder, log):
        for source in self.sources:
            shutil.copy(HERE / source, folder)
        run(["npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund",
             "--prefix", folder], log)

    def command(self, folder, server):
        return (["node", HERE / "tedious/client.js", *server.arguments()],
                {"NODE_PATH": str(folder / "node_modules")})


class GoMssqldb(Client):
    """1.8 is the last that builds with Debian 12's Go."""

    name, title = "go", "go-mssqldb 1.8.2"
    sources = ("go/go.mod", "go/go.sum", "go/main.go", "go/values.go")
    limits = (
        Limit("parameters prepared", "char.high varchar.high varchar_max.low",
              "go-mssqldb sends the UTF-8 of a VarChar as if it were the code page's."),
        Limit("catalog", "", "go-mssqldb has no catalog functions."),
        Limit("cancel_waiting", "same_connection",
              "go-mssqldb gives a connection up when a context ends."),
        Limit("server_cursors", "", "go-mssqldb has no server cursors."),
    )

    def build(self, folder, log):
        run(["go", "build", "-mod=readonly", "-o", folder / "client", "."], log, cwd=HERE / "go",
            env={**os.environ, "CGO_ENABLED": "0"})

    def command(self, folder, server):
        return [folder / "client", *server.arguments()], {}


class Tiberius(Client):
    name, title = "tiberius", "tiberius 0.13.0"
    sources = ("tiberius/Cargo.toml", "tiberius/Cargo.lock", "tiberius/main.rs",
               "tiberius/values.rs")
    limits = (
        Limit("read parameters prepared", "money", "tiberius makes doubles of money."),
        Limit("cancel cancel_waiting", "then same_connection",
              "tiberius looks for the acknowledgement of an attention in the interrupted message "
              "only; SQL Server sends it in one of its own."),
        Limit("catalog", "", "tiberius has no catalog functions."),
        Limit("server_cursors", "", "tiberius has no server cursors."),
    )

    def build(self, folder, log):
        run(["cargo", "build", "--quiet", "--locked", "--manifest-path",
             HERE / "tiberius/Cargo.toml", "--target-dir", folder / "target"], log)
        (folder / "target/debug/client").rename(folder / "client")
        shutil.rmtree(folder / "target")

    def command(self, folder, server):
        return [folder / "client", *server.arguments()], {}


class Pytds(Client):
    name, title = "pytds", "pytds 1.17.1"
    sources = ("pytds/requirements.txt",)
    limits = (
        Limit("connect_strict", "", "pytds has no TDS 8."),
        Limit("read parameters prepared", "time datetime2 datetimeoffset",
              "Python's times have microseconds."),
        Limit("catalog", "", "pytds has no catalog functions."),
        Limit("server_cursors", "", "pytds has no server cursors."),
    )

    def build(self, folder, log):
        run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary",
             ":all:", "--target", folder, "-r", HERE / self.sources[0]], log)

    def command(self, folder, server):
        return ([sys.executable, HERE / "pytds/client.py", *server.arguments()],
                {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"})


class Jdbc(Client):
    name, title = "jdbc", "mssql-jdbc 13.2.1"
    sources = ("jdbc/pom.xml", "jdbc/Client.java", "jdbc/Values.java", "jdbc/BulkRows.java")
    limits = (
        Limit("parameters prepared", "datetimeoffset.low datetimeoffset3.low",
              "mssql-jdbc sends an OffsetDateTime of the year 1 by the Julian calendar."),
    )
    expected = {"server_cursors": NO_SERVER_CURSORS}

    def build(self, folder, log):
        run(["mvn", "-B", "-q", "-C", "-Dstyle.color=never", "-f", HERE / "jdbc/pom.xml",
             "dependency:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={folder / 'jars'}"], log)
        run(["javac", "-encoding", "UTF-8", "-cp", folder / "jars/*", "-d", folder / "classes",
             *(HERE / source for source in self.sources[1:])], log)

    def command(self, folder, server):
        return (["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                 f"{folder / 'classes'}:{folder / 'jars'}/*", "Client", *server.arguments()], {})


def all_clients(odbc_program):
    return [FreeTds(odbc_program), MsOdbc(odbc_program), Jdbc(), Tedious(), GoMssqldb(), Tiberius(), Pytds()]


def cache_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(
        os.environ.get("HOME") or "/var/tmp", ".cache")
    return pathlib.Path(cache) / "dstream" / "clients"


def fetched(client, say):
    """The client's folder in the cache, made if it is not there. Another version has another."""
    if not client.sources:
        return cache_folder()
    folder = cache_folder() / f"{client.name}-{client.key()}"
    mark = folder / ".complete"
    if not mark.exists():
        say(f"{client.title}: fetching and building")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        client.build(folder, folder / "build.log")
        mark.touch()
    return folder
