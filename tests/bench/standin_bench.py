"""S: what the SQL Server stand-in can do, so that it is never what a benchmark measures.

Run by bench.py. The machine is shared by client and server, so each figure names what each used.
"""

import pathlib
import statistics
import time

from bench import Database, busy, fail, run_yardstick, verdict

READ_ROWS_TARGET = 1_200_000  # change rows a second on one connection to FreeTDS
COMMITS_TARGET = 10_000       # single-row committed changes a second, captured
TABLES = 1_000
LARGE_ROWS = 10_000_000
LARGE_GIB_MAX = 4
ROW_BYTES_MIN = 100           # of a ROW token; they have about 180
COMMITS = 100_000
CONNECTIONS = 4


class Load:
    """standin_load against one server."""

    def __init__(self, build, endpoint):
        self.program = build / "tests/standins/sqlserver/program/standin_load"
        self.port = endpoint.address

    def call(self, mode, *arguments):
        return run_yardstick([self.program, mode, self.port, "bench", "bench", *arguments])

    def has_changes(self, instance, rows):
        self.call("run", f"IF (SELECT COUNT(*) FROM cdc.{instance}_CT) <> {rows} "
                         f"RAISERROR(N'not {rows} changes', 16, 1)")


def peak_gib(endpoint):
    for line in pathlib.Path(f"/proc/{endpoint.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    return 0.0


def read_speed(build, folder, options):
    rows = options.rows or 2_000_000
    print(f"S1 reading {rows:,} change rows of 12 columns on one connection")
    database = Database(build, folder, rows)
    endpoints = {"server": database.endpoint}
    load = Load(build, database.endpoint)
    sql = ("SELECT c.* FROM cdc.dbo_orders_CT AS c WHERE c.[__$start_lsn] >= 0x00 ORDER BY "
           "c.[__$start_lsn], c.[__$command_id], c.[__$seqval], c.[__$operation]")
    program = build / "tests/bench/bare_odbc"
    readers = {  # the first is the figure; the second has the driver convert as the source does
        "FreeTDS": [program, database.odbc + ";ClientCharset=CP1252", "dbo_orders", "as_sent"],
        "FreeTDS, converting": [program, database.odbc, "dbo_orders"]}
    results = {name: [] for name in (*readers, "no driver")}
    try:
        load.has_changes("dbo_orders", rows)
        for _ in range(options.runs):
            for name, command in readers.items():
                results[name].append(busy(endpoints, lambda: run_yardstick(command)))
            results["no driver"].append(busy(endpoints, lambda: load.call("read", sql)))
            if results["no driver"][-1]["count"] < rows * ROW_BYTES_MIN:
                fail("the reader without a driver did not get all rows")
    finally:
        database.endpoint.stop()
    out = {}
    for name, runs in results.items():
        out[name] = {
            "rows_per_second": statistics.median(rows / r["seconds"] for r in runs),
            "client_cores": statistics.median(r["cpu_seconds"] / r["seconds"] for r in runs),
            "server_cores": statistics.median(r["shares"]["server"] for r in runs),
            "server_us_per_row": statistics.median(
                r["shares"]["server"] * r["seconds"] / rows * 1e6 for r in runs)}
        print(f"  {name:<19} {out[name]['rows_per_second']:>13,.0f} rows/s, client "
              f"{out[name]['client_cores']:.2f} and server {out[name]['server_cores']:.2f} of a "
              f"core ({out[name]['server_us_per_row']:.3f} us of the server a row)")
    driver, raw = out["FreeTDS"], out["no driver"]
    verdict("S1 million rows/s through FreeTDS", driver["rows_per_second"] / 1e6, ">= 1.2",
            driver["rows_per_second"] >= READ_ROWS_TARGET)
    # Where others use the machine, too, the rate falls; what a core does in a second does not.
    by_driver = driver["rows_per_second"] / driver["client_cores"]
    by_server = 1e6 / driver["server_us_per_row"]
    verdict("S1 million rows/s for a core of the driver's", by_driver / 1e6, ">= 1.2",
            by_driver >= READ_ROWS_TARGET)
    verdict("S1 million rows/s for a core of the server's", by_server / 1e6, ">= 1.2",
            by_server >= READ_ROWS_TARGET)
    print(f"  the limit is the {'driver' if by_driver < by_server else 'server'}: without it the "
          f"same rows come {raw['rows_per_second'] / driver['rows_per_second']:.0f} times as fast")
    return out


def commit_speed(load, endpoint, first):
    """Commits, and then captures what the job has not captured yet."""
    cpu, start = endpoint.cpu_seconds(), time.monotonic()
    load.call("commit", CONNECTIONS, COMMITS, first)
    load.call("run", "EXEC dstream.capture_scan_all")
    seconds = time.monotonic() - start
    rate, cores = COMMITS / seconds, (endpoint.cpu_seconds() - cpu) / seconds
    print(f"  {rate:,.0f} commits/s on {CONNECTIONS} connections, captured; server "
          f"{cores:.2f} of a core")
    return rate


def commits(build, folder, _options):
    print(f"S2 {COMMITS:,} single-row inserts, each committed, with capture on")
    database = Database(build, folder, 0)
    load = Load(build, database.endpoint)
    try:
        rate = commit_speed(load, database.endpoint, 1)
        load.has_changes("dbo_orders", COMMITS)
    finally:
        database.endpoint.stop()
    verdict("S2 thousand commits/s", rate / 1000, ">= 10", rate >= COMMITS_TARGET)
    return {"commits_per_second": rate}


def many_tables(build, folder, _options):
    print(f"S3 {TABLES:,} tracked tables")
    database = Database(build, folder, 0)
    load = Load(build, database.endpoint)
    names = [f"t{i}" for i in range(TABLES)]
    enable = "EXEC sys.sp_cdc_enable_table N'dbo', N'{0}', NULL"
    try:
        start = time.monotonic()
        for first in range(0, TABLES, 100):
            load.call("run", ";".join(
                f"CREATE TABLE dbo.{name} (id int PRIMARY KEY, v nvarchar(50)); "
                + enable.format(name) for name in names[first:first + 100]))
        load.call("run", "EXEC dstream.capture_scan_all")
        enabling = time.monotonic() - start
        for first in range(0, TABLES, 100):
            load.call("run", ";".join(f"INSERT INTO dbo.{name} VALUES (1, N'x')"
                                      for name in names[first:first + 100]))
        load.call("run", "EXEC dstream.capture_scan_all")
        for name in names[::97]:
            load.has_changes(f"dbo_{name}", 1)
        probe = " UNION ALL ".join(f"SELECT {i}, MAX(__$start_lsn) FROM cdc.dbo_{name}_CT"
                                   for i, name in enumerate(names))
        first_probe = load.call("run", probe)["seconds"]
        again = load.call("run", probe)["seconds"]
        print(f"  enabled in {enabling:.1f} s; the newest LSN of each in one statement: "
              f"{first_probe * 1000:.0f} ms, {again * 1000:.0f} ms the next time")
        rate = commit_speed(load, database.endpoint, 1)
        load.has_changes("dbo_orders", COMMITS)
    finally:
        database.endpoint.stop()
    verdict("S3 thousand commits/s beside the other tables", rate / 1000, ">= 10",
            rate >= COMMITS_TARGET)
    return {"enabling_seconds": enabling, "probe_seconds": again, "commits_per_second": rate}


def large_table(build, folder, _options):
    print(f"S4 {LARGE_ROWS:,} change rows of 12 columns in memory")
    start = time.monotonic()
    database = Database(build, folder, LARGE_ROWS)
    try:
        print(f"  there after {time.monotonic() - start:.0f} s")
        Load(build, database.endpoint).has_changes("dbo_orders", LARGE_ROWS)
        gib = peak_gib(database.endpoint)
    finally:
        database.endpoint.stop()
    verdict("S4 GiB at most", gib, f"< {LARGE_GIB_MAX}", gib < LARGE_GIB_MAX)
    return {"peak_gib": gib}


def run(build, folder, options):
    figures = {}
    for measure in (read_speed, commits, many_tables, large_table):
        figures[measure.__name__] = measure(build, folder, options)
    return figures
