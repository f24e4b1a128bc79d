"""B2 for rows with values of no fixed size, read one by one. Run by bench.py."""

import pathlib
import statistics

from bench import (Database, Endpoint, Host, busy, interleave, odbc_driver, print_endpoints,
                   run_yardstick, summary, verdict)

# Name of the table, rows, characters of its text, its bytes.
SHAPES = (("notes", 120_000, 2_000, 4_000), ("documents", 4_000, 50_000, 50_000))
FEW_ROWS = 10
RATIO_MAX = 1.5
# What the source keeps of such a table: two pages, of which one grows while the other drains.
KEPT_BYTES = 6 << 20


def fill(table, rows, characters, size):
    return f"""
CREATE TABLE dbo.{table} (id int NOT NULL PRIMARY KEY, n bigint NOT NULL, name nvarchar(50) NOT NULL,
  body nvarchar(max) NULL, data varbinary(max) NULL);
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL;
GO
DECLARE @i int = 0, @body nvarchar(max) = REPLICATE(CAST(N'abcdefgh' AS nvarchar(max)),
  {characters // 8}), @data varbinary(max) = CONVERT(varbinary(max),
  REPLICATE(CAST('z' AS varchar(max)), {size}));
BEGIN TRANSACTION;
WHILE @i < {rows} BEGIN
  INSERT INTO dbo.{table} VALUES (@i, @i, N'a name', @body, @data); SET @i = @i + 1;
END
COMMIT;
GO
"""


class LargeDatabase(Database):
    """The SQL Server stand-in with rows of a text and some bytes of no fixed size."""

    def __init__(self, build, folder, tables):  # pylint: disable=super-init-not-called
        script = pathlib.Path(folder) / "large.sql"
        script.write_text("EXEC sys.sp_cdc_enable_db;\nGO\n"
                          "EXEC sp_configure N'max text repl size', -1; RECONFIGURE;\nGO\n"
                          + "".join(fill(*table) for table in tables)
                          + "EXEC dstream.capture_scan_all;\nGO\n")
        self.endpoint = Endpoint(
            [build / "tests/standins/sqlserver/program/dstream-sqlserver", "--port", "0",
             "--database", "bench", "--password", "bench", "--script", script,
             "--capture-interval", "200"], r"listening \S+:(\d+) ")
        port = self.endpoint.address
        self.url = (f"sqlserver://sa:bench@127.0.0.1:{port}?database=bench&encrypt=no"
                    "&packet_size=32000")
        self.odbc = (f"Driver={odbc_driver()};Server=127.0.0.1;Port={port};UID=sa;PWD=bench;"
                     "Database=bench;TDS_Version=7.4;PacketSize=32000")

    def source_of(self, table):
        return self.source().replace("dbo.orders", f"dbo.{table}")


def less_start(whole, few):
    """What the rows beyond the few took: neither side's start is counted."""
    rows = whole["rows"] - few["rows"]
    return {**whole, "rows": rows,
            "cpu_seconds": max(whole["cpu_seconds"] - few["cpu_seconds"], 0)}


def run_shape(build, folder, options, database, shape):
    table, rows, characters, size = shape
    print(f"B2 with values of no fixed size: {characters:,} characters and {size:,} bytes a row, "
          "against a bare loop that reads the same columns row by row, CPU less that of "
          f"{FEW_ROWS} rows on both sides")
    endpoints = {"the SQL Server stand-in": database.endpoint}

    def bare(name, *kept_bytes):
        return run_yardstick([build / "tests/bench/bare_large", database.odbc, f"dbo_{name}",
                              *kept_bytes])

    def decode(name, count):
        pipeline = (f"pipelines:\n  - name: b2\n    source: {database.source_of(name)}\n"
                    "    sink: {type: 'null'}\n")
        return Host(build, folder, pipeline, count, False).measure()

    results = interleave(
        options.runs,
        bare=lambda: less_start(busy(endpoints, lambda: bare(table)), bare("few")),
        kept=lambda: less_start(busy(endpoints, lambda: bare(table, KEPT_BYTES)),
                                bare("few", KEPT_BYTES)),
        decode=lambda: less_start(busy(endpoints, lambda: decode(table, rows)),
                                  decode("few", FEW_ROWS)))
    out = summary(results)
    print_endpoints(endpoints, results)
    def over_bare(name):
        return statistics.median(side["cpu_seconds"] / loop["cpu_seconds"]
                                 for side, loop in zip(results[name], results["bare"]))

    kept = over_bare("kept")
    print(f"  a bare loop that keeps its values in {KEPT_BYTES >> 20} MiB: {kept:.2f}")
    ratio = over_bare("decode")
    verdict(f"B2 CPU a row of {table}, over the bare loop, median of pairs", ratio,
            f"<= {RATIO_MAX}", ratio <= RATIO_MAX)
    return {**out, "ratio": ratio, "kept_ratio": kept}


def run(build, folder, options):
    few = ("few", FEW_ROWS, *SHAPES[0][2:])
    database = LargeDatabase(build, folder, (*SHAPES, few))
    try:
        return {shape[0]: run_shape(build, folder, options, database, shape) for shape in SHAPES}
    finally:
        database.endpoint.stop()
