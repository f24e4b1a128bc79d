"""B4: how long a committed row takes from change table to broker, at a fixed rate of writes.

Run by bench.py. What is measured, and between which two times, says latency_load.cc; the yardstick
is polling_loop.cc, which polls as often and lingers as long. Both end at the same mock broker.
"""

import pathlib
import statistics
import subprocess
import tempfile
import time

import bench
from tables_bench import PROBE

RATES = (1_000, 10_000, 40_000)
SECONDS = 10
WARM_UP_MS = 2000
TICK_MS = 10  # one transaction
POLL_MS = 100
LINGER_MS = 20
ALLOWANCE_MS = 10
TEMPLATE_ROWS = 1000
ENDPOINTS = ("the SQL Server stand-in", "the mock broker")
COLUMNS = """customer int NOT NULL, name nvarchar(100) NOT NULL, email varchar(100) NOT NULL,
  city nvarchar(50) NULL, notes nvarchar(200) NULL, sku varchar(20) NOT NULL,
  price decimal(12,2) NOT NULL, quantity int NOT NULL, active bit NOT NULL,
  updated_at datetime2(7) NOT NULL"""


class Database:
    """The SQL Server stand-in with one tracked table, whose capture job is in the writer's hand."""

    def __init__(self, build, folder):
        self.build = build
        script = pathlib.Path(folder) / "latency.sql"
        script.write_text(f"""
CREATE TABLE dbo.orders (row_id bigint NOT NULL PRIMARY KEY, due_us bigint NOT NULL, {COLUMNS});
CREATE TABLE dbo.template (n int NOT NULL PRIMARY KEY, {COLUMNS});
GO
DECLARE @n int = 0; WHILE @n < {TEMPLATE_ROWS} BEGIN
  INSERT INTO dbo.template VALUES (@n, @n, N'Ada Lovelace, number of customer and order',
    'ada.lovelace@example.org', N'London', N'Notes upon the memoir, as long as notes are',
    'SKU-1815', 1815.12, 3, 1, SYSUTCDATETIME());
  SET @n = @n + 1;
END
GO
EXEC sys.sp_cdc_enable_db;
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders', @role_name = NULL;
GO
EXEC dstream.capture_pause;
GO
""")
        self.endpoint = bench.Endpoint(
            [build / "tests/standins/sqlserver/program/dstream-sqlserver", "--port", "0",
             "--database", "bench", "--password", "bench", "--script", script],
            r"listening \S+:(\d+) ")
        port = self.endpoint.address
        self.url = f"sqlserver://sa:bench@127.0.0.1:{port}?database=bench&encrypt=no"
        self.odbc = (f"Driver={bench.odbc_driver()};Server=127.0.0.1;Port={port};UID=sa;PWD=bench;"
                     "Database=bench;TDS_Version=7.4")

    def looking(self):
        """Whether somebody looks for changes as the source does."""
        out = subprocess.run([str(self.build / "tests/bench/many_tables"), "requests", self.odbc],
                             capture_output=True, text=True, check=True).stdout
        return PROBE in out


class Dstream:
    """`dstream run` from the change table to the broker."""

    def __init__(self, build, folder, database, broker):
        pipeline = f"""pipelines:
  - name: b4
    source: {{type: sqlserver-cdc, connection: '{database.url}', tables: [dbo.orders], snapshot: never, poll_interval: {POLL_MS}ms, max_poll_interval: {POLL_MS}ms}}
    sink: {{type: eventhubs, brokers: '{broker.address}', topic: bench, linger: {LINGER_MS}ms}}
"""
        host = bench.Host(build, folder, pipeline, 0, False)
        self.log = tempfile.TemporaryFile("w+", dir=folder)
        self.process = subprocess.Popen(host.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.log)
        deadline = time.monotonic() + bench.START_SECONDS_MAX
        while not database.looking():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                bench.fail("the host does not begin: " + self.log.read()[-2000:])

    def cpu_seconds(self):
        return bench.cpu_seconds_of(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


class PollingLoop(bench.Endpoint):
    """The yardstick."""

    def __init__(self, build, database, broker):
        super().__init__([build / "tests/bench/polling_loop", database.odbc, "dbo_orders",
                          broker.address, "bench", POLL_MS, LINGER_MS], r"polling from (\S+)")


def machine_busy_seconds():
    """CPU seconds of everything on this machine, idle and waiting left out."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return (sum(map(int, fields)) - int(fields[3]) - int(fields[4])) / bench.TICKS_PER_SECOND


def load(build, folder, rate, begin):
    """One run: the figures of latency_load, and who used the CPU meanwhile.

    Each has a database and a broker of its own: a table without a position begins at its oldest
    captured change, so that the changes of a run before would be read first.
    """
    database = Database(build, folder)
    broker = bench.Endpoint([build / "tests/standins/kafka/dstream-mock-kafka", "--topic",
                             "bench:4"], r"((?:[0-9.]+:\d+,?)+)")
    try:
        side = begin(database, broker)
        command = (build / "tests/bench/latency_load", database.odbc, broker.address, "bench", rate,
                   TICK_MS, WARM_UP_MS, SECONDS)
        try:
            before, start = machine_busy_seconds(), time.monotonic()
            result = bench.busy({**dict(zip(ENDPOINTS, (database.endpoint, broker))), "side": side},
                                lambda: bench.run_yardstick(command))
            result["others"] = ((machine_busy_seconds() - before - result["cpu_seconds"])
                                / (time.monotonic() - start) - sum(result["shares"].values()))
        finally:
            side.stop()
    finally:
        database.endpoint.stop()
        broker.stop()
    return result


def line(runs, what):
    """Medians of the runs' percentiles, with the lowest and highest 99 %."""
    def median(key):
        return statistics.median(run[what][key] for run in runs)
    every = [run[what]["p99"] for run in runs]
    return (f"p50 {median('p50'):.1f}  p99 {median('p99'):.1f} ({min(every):.1f} .. "
            f"{max(every):.1f})  p99.9 {median('p999'):.1f}  "
            f"max {max(run[what]['max'] for run in runs):.1f}")


def print_rate(rate, results):
    for name, runs in results.items():
        reached = statistics.median(run["rows"] / run["seconds"] for run in runs)
        share = statistics.median(run["shares"]["side"] for run in runs)
        others = [run["others"] for run in runs]
        print(f"  {name:<8} visible to broker, ms: {line(runs, 'latency_ms')}")
        print(f"           since it was due, ms:  {line(runs, 'since_due_ms')}")
        print(f"           commit late, ms:       {line(runs, 'commit_late_ms')}")
        print(f"           capture, ms:           {line(runs, 'capture_ms')}")
        print(f"           {reached:,.0f} rows/s written of {rate:,}; CPU {share:.2f} of a core; "
              f"twice at the broker: {sum(run['duplicates'] for run in runs)}")
        print(f"           other work on the machine used {min(others):.2f} .. {max(others):.2f} "
              "cores meanwhile")
    bench.print_endpoints(ENDPOINTS, results)


def at_rate(build, folder, options, rate):
    print(f" {rate:,} rows/s, {rate * TICK_MS // 1000} a transaction")
    results = bench.interleave(
        options.runs,
        loop=lambda: load(build, folder, rate, lambda database, broker:
                          PollingLoop(build, database, broker)),
        dstream=lambda: load(build, folder, rate, lambda database, broker:
                             Dstream(build, folder, database, broker)))
    print_rate(rate, results)
    # A row waits half a poll on average, whatever the reader does: the target leaves that out.
    for name, runs in results.items():
        whole = {key: statistics.median(run["latency_ms"][key] for run in runs)
                 for key in ("p50", "p99", "p999")}
        print(f"  {name:<8} less half a poll, ms:    "
              + "  ".join(f"{label} {whole[key] - POLL_MS / 2:.1f}" for label, key in
                          (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))))
    p99 = statistics.median(run["latency_ms"]["p99"] for run in results["dstream"])
    target = POLL_MS + LINGER_MS + ALLOWANCE_MS
    bench.verdict(f"B4 p99 at {rate:,} rows/s, ms from visible to the broker less half a poll",
                  p99 - POLL_MS / 2, f"<= {target}", p99 - POLL_MS / 2 <= target)
    print(f"  B4 p99 at {rate:,} rows/s, the whole time: {p99:.2f} ms "
          f"({'within' if p99 <= target else 'beyond'} {target})")
    return results


def run(build, folder, options):
    print(f"B4 latency: from visible in the change table to a consumer of the broker, an open loop "
          f"of {SECONDS} s, a look every {POLL_MS} ms, a linger of {LINGER_MS} ms, against a "
          "polling loop")
    return {str(rate): at_rate(build, folder, options, rate) for rate in RATES}
