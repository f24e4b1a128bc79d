"""B5: many tables, one in a hundred of them active.

Run by bench.py. Statements are counted at the server, cycle by cycle; the yardstick is one query a
table and cycle, one after the other, with the same interval.
"""

import datetime
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from bench import Endpoint, Host, cpu_seconds_of, fail, odbc_driver, run_yardstick, verdict

SECONDS = 8
INTERVAL_MS = 100
WRITES_MS = 50
PROBE = "DATEPART(TZOFFSET"  # how the statements of a look and of a page begin
PAGE = "DECLARE @reach"


class Tables:
    """The SQL Server stand-in with `count` tracked tables, and somebody who writes to 1 % of them."""

    def __init__(self, build, folder, count):
        self.build = build
        self.names = [f"t{i}" for i in range(count)]
        self.active = self.names[:: 100]
        script = pathlib.Path(folder) / f"tables{count}.sql"
        parts = ["EXEC sys.sp_cdc_enable_db;"]
        for name in self.names:
            parts.append(f"CREATE TABLE dbo.{name} (id int IDENTITY PRIMARY KEY, v nvarchar(50));\nGO\n"
                         f"EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', "
                         f"@source_name = N'{name}', @role_name = NULL;")
        script.write_text("\nGO\n".join(parts) + "\nGO\n")
        self.endpoint = Endpoint(
            [build / "tests/standins/sqlserver/program/dstream-sqlserver", "--port", "0",
             "--database", "bench", "--password", "bench", "--script", script,
             "--capture-interval", "20"], r"listening \S+:(\d+) ")
        self.port = self.endpoint.address
        self.odbc = (f"Driver={odbc_driver()};Server=127.0.0.1;Port={self.port};UID=sa;PWD=bench;"
                     "Database=bench;TDS_Version=7.4")

    def write(self, seconds):
        """Starts writing: a row of each active table in one transaction, again and again."""
        rows = " ".join(f"INSERT INTO dbo.{name} (v) VALUES (N'x');" for name in self.active)
        sql = (f"DECLARE @i int = 0; WHILE @i < {seconds * 1000 // WRITES_MS} BEGIN "
               f"BEGIN TRANSACTION; {rows} COMMIT; SET @i = @i + 1; "
               f"WAITFOR DELAY '00:00:00.{WRITES_MS:03}'; END")
        program = self.build / "tests/standins/sqlserver/program/standin_load"
        return subprocess.Popen([str(program), "run", self.port, "bench", "bench", sql],
                                stdout=subprocess.DEVNULL)

    def requests(self):
        """(session, beginning of the text) of the last requests."""
        out = subprocess.run([str(self.build / "tests/bench/many_tables"), "requests", self.odbc],
                             capture_output=True, text=True, check=True).stdout
        return [line.split("\t", 1) for line in out.splitlines() if "\t" in line]


def cycles_of(requests):
    """(statements, active tables) of each whole cycle."""
    sessions = {session for session, text in requests if PROBE in text or PAGE in text}
    cycles = []
    for session, text in requests:
        if session not in sessions:
            continue
        if PROBE in text:
            cycles.append([0, 0])
        if cycles:
            cycles[-1][0] += 1
            cycles[-1][1] += PAGE in text
    return cycles[:-1]


def seconds_of(text):
    """The time of a message, cut to microseconds."""
    base, _, fraction = text.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{base}.{(fraction + '000000')[:6]}+00:00").timestamp()


def ages(path):
    """How old changes were when they were read, in ms, the capture job's part included."""
    out = []
    for line in path.read_text().splitlines():
        value = json.loads(line)["value"]
        out.append((seconds_of(value["read_at"]) -
                    seconds_of(value["source"]["committed_at"])) * 1000)
    return sorted(out)


def run_host(build, folder, tables):
    listed = ", ".join(f"dbo.{name}" for name in tables.names)
    path = pathlib.Path(tempfile.mkdtemp(dir=folder)) / "out.jsonl"
    pipeline = f"""pipelines:
  - name: b5
    source: {{type: sqlserver-cdc, connection: 'sqlserver://sa:bench@127.0.0.1:{tables.port}?database=bench&encrypt=no', tables: [{listed}], snapshot: never, poll_interval: {INTERVAL_MS}ms, max_poll_interval: {INTERVAL_MS}ms}}
    sink: {{type: file, path: {path}}}
"""
    host = Host(build, folder, pipeline, 0, False)
    process = subprocess.Popen(host.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not any(PROBE in text for _, text in tables.requests()):
            if time.monotonic() > deadline:
                fail("the source does not begin")
        cpu, start = cpu_seconds_of(process.pid), time.monotonic()
        writer = tables.write(SECONDS)
        writer.wait(60)
        seconds = time.monotonic() - start
        used = cpu_seconds_of(process.pid) - cpu
        cycles = cycles_of(tables.requests())
        resident = int(next(line for line in pathlib.Path(f"/proc/{process.pid}/status")
                            .read_text().splitlines() if line.startswith("VmHWM:")).split()[1])
    finally:
        process.terminate()
        process.wait(20)
    age = ages(path)
    return {"cycles": len(cycles), "statements_per_cycle": statistics.mean(c[0] for c in cycles),
            "beyond_active": max(c[0] - c[1] for c in cycles),
            "cpu_ms_per_second": used / seconds * 1000, "peak_mib": resident / 1024,
            "changes": len(age), "age_p50_ms": age[len(age) // 2],
            "age_p99_ms": age[len(age) * 99 // 100]}


def run(build, folder, _options):
    figures = {}
    for count in (200, 1000):
        print(f"B5 {count} tables, {count // 100} active, a look every {INTERVAL_MS} ms")
        tables = Tables(build, folder, count)
        try:
            dstream = run_host(build, folder, tables)
            writer = tables.write(SECONDS)
            naive = run_yardstick([build / "tests/bench/many_tables", "naive", tables.odbc, "dbo_t",
                                   count, SECONDS, INTERVAL_MS])
            writer.wait(60)
        finally:
            tables.endpoint.stop()
        naive["cpu_ms_per_second"] = naive["cpu_seconds"] / naive["seconds"] * 1000
        print(f"  dstream  {dstream['statements_per_cycle']:8.1f} statements a cycle, CPU "
              f"{dstream['cpu_ms_per_second']:.1f} ms a second, changes {dstream['age_p50_ms']:.0f} "
              f"ms old when read (99 %: {dstream['age_p99_ms']:.0f}), peak "
              f"{dstream['peak_mib']:.0f} MiB")
        print(f"  naive    {naive['statements'] / naive['cycles']:8.1f} statements a cycle, CPU "
              f"{naive['cpu_ms_per_second']:.1f} ms a second, a cycle takes "
              f"{naive['cycle_ms']:.0f} ms")
        verdict("B5 statements a cycle beyond one for each active table",
                dstream["beyond_active"], "<= 2", dstream["beyond_active"] <= 2)
        figures[str(count)] = {"dstream": dstream, "naive": naive}
    return figures
