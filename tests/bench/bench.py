#!/usr/bin/env python3
"""Benchmarks B1, B2, B3, B4, B5 and B10 as ratios against bare loops, interleaved in one run.

usage: bench.py BUILD_FOLDER [--only B1,B2,B3,B4,B5,B10,S] [--runs N] [--rows N] [--json FILE]

Every figure is the median of the runs (at least 5) with its interquartile range; yardstick and
product take turns, so that a machine that slows down slows both. CPU is the whole process's, all
threads, user and system. The SQL Server stand-in and the mock broker are processes of their own;
their CPU share is printed, because an endpoint that is busy all the time would be the bottleneck.
S is the stand-in alone, against its own targets (standin_bench.py).
"""

import argparse
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the tree stays as it is
ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 180
RUN_SECONDS_MAX = 300


def fail(text):
    sys.exit(f"bench: {text}")


def cpu_seconds_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def first_line(process, pattern):
    deadline = time.monotonic() + START_SECONDS_MAX
    text = ""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        if ready:
            line = process.stdout.readline()
            if not line:
                break
            text += line
            match = re.search(pattern, line)
            if match:
                return match.group(1)
    fail(f"{process.args[0]} did not start: {text}")


class Endpoint:
    """A server of the benchmark: started once, measured, stopped."""

    def __init__(self, command, pattern):
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True)
        self.address = first_line(self.process, pattern)

    def cpu_seconds(self):
        return cpu_seconds_of(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def run_yardstick(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=RUN_SECONDS_MAX, check=False)
    if done.returncode != 0:
        fail(f"{command[0]}: {done.stderr}")
    return json.loads(done.stdout)


class Host:
    """One run of `dstream run` on one pipeline, until `rows` records are delivered."""

    def __init__(self, build, folder, pipeline, rows, ends):
        self.state = tempfile.mkdtemp(dir=folder)
        config = pathlib.Path(self.state) / "dstream.yaml"
        config.write_text(pipeline)
        self.command = [str(build / "host/dstream"), "run", str(config), "--plugin-dir",
                        str(build / "plugin-dir"), "--state-dir", self.state, "--log-format", "json",
                        "--status-interval", "50ms"]
        self.rows = rows
        self.ends = ends

    def measure(self):
        read_end, write_end = os.pipe()
        start = time.monotonic()
        process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=write_end)
        os.close(write_end)
        seconds = None
        tail = []
        with os.fdopen(read_end) as log:
            for line in log:
                tail = (tail + [line])[-5:]
                match = re.search(r'"delivered":\s*"?(\d+)', line)
                if match and int(match.group(1)) >= self.rows and seconds is None:
                    seconds = time.monotonic() - start
                    if not self.ends:
                        process.send_signal(signal.SIGTERM)
                if time.monotonic() - start > RUN_SECONDS_MAX:
                    process.kill()
                    fail("the host did not finish: " + "".join(tail))
        _, status, usage = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if self.ends and seconds is None and code == 0:
            seconds = time.monotonic() - start
        if seconds is None or code not in (0, 143, -signal.SIGTERM):
            fail(f"the host ended with {code} before its rows were delivered: " + "".join(tail))
        shutil.rmtree(self.state, ignore_errors=True)
        return {"rows": self.rows, "seconds": seconds,
                "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_kib": usage.ru_maxrss}


def interleave(runs, **measures):
    results = {name: [] for name in measures}
    for number in range(runs):
        for name, measure in measures.items():
            results[name].append(measure())
            print(f"  run {number + 1}/{runs} {name}: "
                  f"{results[name][-1]['rows'] / results[name][-1]['seconds']:,.0f} rows/s",
                  file=sys.stderr)
    return results


def spread(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    quartiles = statistics.quantiles(values, n=4)
    return statistics.median(values), quartiles[0], quartiles[2]


def summary(results):
    out = {}
    for name, runs in results.items():
        rate, low, high = spread([r["rows"] / r["seconds"] for r in runs])
        cpu, _, _ = spread([r["cpu_seconds"] / r["rows"] * 1e6 for r in runs])
        out[name] = {"rows_per_second": rate, "quartiles": [low, high], "cpu_us_per_row": cpu,
                     "peak_mib": max(r.get("peak_kib", 0) for r in runs) / 1024}
        print(f"  {name:<10} {rate:>13,.0f} rows/s ({low:,.0f} .. {high:,.0f})  "
              f"CPU {cpu:.3f} us/row  peak {out[name]['peak_mib']:.0f} MiB")
    return out


def verdict(text, ratio, target, good):
    print(f"  {text}: {ratio:.2f} (target {target}) {'met' if good else 'MISSED'}")


def b1(build, folder, options):
    rows = options.rows or 20_000_000
    pipeline = f"""pipelines:
  - name: b1
    source: {{type: generator, rows: {rows}, size: 500, rate: 0}}
    sink: {{type: 'null'}}
"""
    print("B1 host relay: generator -> queue -> null over the C ABI, 500-byte records, against a "
          "stdin/stdout relay")
    results = interleave(
        options.runs,
        dstream=lambda: Host(build, folder, pipeline, rows, True).measure(),
        relay=lambda: run_yardstick([build / "tests/bench/stdio_relay", 1_000_000, 500]))
    out = summary(results)
    ratio = out["dstream"]["rows_per_second"] / out["relay"]["rows_per_second"]
    verdict("B1 records/s, dstream over relay", ratio, ">= 20", ratio >= 20)
    return {**out, "ratio": ratio}


class Database:
    """The SQL Server stand-in with one tracked table full of changes."""

    def __init__(self, build, folder, rows):
        script = pathlib.Path(folder) / "bench.sql"
        script.write_text(f"""
CREATE TABLE dbo.orders (
  id bigint NOT NULL PRIMARY KEY, customer int NOT NULL, name nvarchar(100) NOT NULL,
  email varchar(100) NOT NULL, city nvarchar(50) NULL, notes nvarchar(200) NULL,
  sku varchar(20) NOT NULL, price decimal(12,2) NOT NULL, quantity int NOT NULL,
  active bit NOT NULL, updated_at datetime2(7) NOT NULL, amount decimal(18,4) NULL);
GO
EXEC sys.sp_cdc_enable_db;
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders', @role_name = NULL;
GO
EXEC dstream.fill_changes @capture_instance = N'dbo_orders', @rows = {rows}, @transaction_rows = 1000;
GO
""")
        self.endpoint = Endpoint([build / "tests/standins/sqlserver/program/dstream-sqlserver", "--port", "0",
                                  "--database", "bench", "--password", "bench",
                                  "--script", script,
                                  "--capture-interval", "200"], r"listening \S+:(\d+) ")
        port = self.endpoint.address
        self.url = f"sqlserver://sa:bench@127.0.0.1:{port}?database=bench&encrypt=no&packet_size=32000"
        self.odbc = (f"Driver={odbc_driver()};Server=127.0.0.1;Port={port};UID=sa;PWD=bench;"
                     "Database=bench;TDS_Version=7.4;PacketSize=32000")

    def source(self):
        return (f"{{type: sqlserver-cdc, connection: '{self.url}', tables: [dbo.orders], "
                "snapshot: never, "
                "poll_interval: 100ms}")


def odbc_driver():
    for path in pathlib.Path("/usr/lib").glob("*/odbc/libtdsodbc.so"):
        return str(path)
    fail("FreeTDS (tdsodbc) is not installed")


def busy(endpoints, measure):
    """Adds the share of one core that each of the named endpoints used while `measure` ran."""
    before = {name: endpoint.cpu_seconds() for name, endpoint in endpoints.items()}
    start = time.monotonic()
    result = measure()
    seconds = time.monotonic() - start
    result["shares"] = {name: (endpoint.cpu_seconds() - before[name]) / seconds
                        for name, endpoint in endpoints.items()}
    return result


def print_endpoints(endpoints, results):
    for name in endpoints:
        shares = {side: statistics.median(r["shares"][name] for r in runs)
                  for side, runs in results.items()}
        print(f"  {name} used "
              + ", ".join(f"{share:.2f} of a core beside {side}" for side, share in shares.items())
              + "; at 1 it would be the bottleneck")


def b2(build, folder, options):
    rows = options.rows or 2_000_000
    print("B2 source: change table -> decode (+ JSON) -> drop, against a bare ODBC loop")
    database = Database(build, folder, rows)
    endpoints = {"the SQL Server stand-in": database.endpoint}
    try:
        def pipeline(sink):
            return f"pipelines:\n  - name: b2\n    source: {database.source()}\n    sink: {{type: '{sink}'}}\n"
        bare = [build / "tests/bench/bare_odbc", database.odbc, "dbo_orders"]
        results = interleave(
            options.runs,
            bare=lambda: busy(endpoints, lambda: run_yardstick(bare)),
            decode=lambda: busy(endpoints, Host(build, folder, pipeline("null"), rows,
                                                        False).measure),
            json=lambda: busy(endpoints, Host(build, folder, pipeline("null-messages"), rows,
                                                      False).measure))
    finally:
        database.endpoint.stop()
    out = summary(results)
    print_endpoints(endpoints, results)
    bare_cpu = out["bare"]["cpu_us_per_row"]
    decode = out["decode"]["cpu_us_per_row"] / bare_cpu
    with_json = out["json"]["cpu_us_per_row"] / bare_cpu
    verdict("B2 CPU a row, decode and drop over bare ODBC", decode, "<= 1.15", decode <= 1.15)
    print(f"  B2 with the JSON envelope: {with_json:.2f} of the bare loop, which writes none")
    import large_bench  # pylint: disable=import-outside-toplevel  (it imports this module)
    large = large_bench.run(build, folder, options)
    return {**out, "ratio": decode, "ratio_with_json": with_json, "large": large}


def b3(build, folder, options):
    rows = options.rows or 2_000_000
    print("B3 drain: backlog of changes -> JSON -> idempotent producer -> mock broker, checkpoint "
          "every 500 ms, against the bare pipe")
    database = Database(build, folder, rows)
    broker = Endpoint([build / "tests/standins/kafka/dstream-mock-kafka", "--topic", "bench:4"],
                      r"((?:[0-9.]+:\d+,?)+)")
    endpoints = {"the SQL Server stand-in": database.endpoint, "the mock broker": broker}
    pipeline = f"""pipelines:
  - name: b3
    source: {database.source()}
    sink: {{type: eventhubs, brokers: '{broker.address}', topic: bench}}
"""
    try:
        bare = [build / "tests/bench/bare_pipe", database.odbc, "dbo_orders", broker.address, "bench"]
        results = interleave(
            options.runs,
            bare=lambda: busy(endpoints, lambda: run_yardstick(bare)),
            dstream=lambda: busy(endpoints, Host(build, folder, pipeline, rows,
                                                         False).measure))
    finally:
        database.endpoint.stop()
        broker.stop()
    out = summary(results)
    print_endpoints(endpoints, results)
    ratio = out["dstream"]["rows_per_second"] / out["bare"]["rows_per_second"]
    verdict("B3 rows/s, dstream over bare pipe", ratio, ">= 0.60", ratio >= 0.6)
    return {**out, "ratio": ratio}


def b4(build, folder, options):
    import latency_bench  # pylint: disable=import-outside-toplevel  (it imports this module)
    return latency_bench.run(build, folder, options)


def b5(build, folder, options):
    import tables_bench  # pylint: disable=import-outside-toplevel  (it imports this module)
    return tables_bench.run(build, folder, options)


def b10(build, folder, options):
    import kafka_bench  # pylint: disable=import-outside-toplevel  (it imports this module)
    return kafka_bench.run(build, folder, options)


def standin(build, folder, options):
    import standin_bench  # pylint: disable=import-outside-toplevel  (it imports this module)
    return standin_bench.run(build, folder, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", default="B1,B2,B3,B4,B5,B10,S")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=0, help="rows of a run; 0 chooses")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    figures = {}
    with tempfile.TemporaryDirectory(prefix="dstream-bench.") as folder:
        for name, run in (("B1", b1), ("B2", b2), ("B3", b3), ("B4", b4), ("B5", b5), ("B10", b10),
                          ("S", standin)):
            if name in options.only.upper().split(","):
                figures[name] = run(options.build.resolve(), folder, options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
