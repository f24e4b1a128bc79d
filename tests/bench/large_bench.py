"""B2 for rows with values of no fixed size, read one by one. Run by bench.py."""

import pathlib

from bench import (Database, Endpoint, Host, busy, interleave, odbc_driver, print_endpoints,
                   run_yardstick, summary, verdict)

ROWS = 120_000
TEXT_CHARACTERS = 2_000
BYTES = 4_000
RATIO_MAX = 1.5


class LargeDatabase(Database):
    """The SQL Server stand-in with rows of a text and some bytes of no fixed size."""

    def __init__(self, build, folder, rows):  # pylint: disable=super-init-not-called
        script = pathlib.Path(folder) / "large.sql"
        script.write_text(f"""
CREATE TABLE dbo.notes (id int NOT NULL PRIMARY KEY, n bigint NOT NULL, name nvarchar(50) NOT NULL,
  body nvarchar(max) NULL, data varbinary(max) NULL);
GO
EXEC sys.sp_cdc_enable_db;
GO
EXEC sp_configure N'max text repl size', -1; RECONFIGURE;
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'notes', @role_name = NULL;
GO
DECLARE @i int = 0, @body nvarchar(max) = REPLICATE(CAST(N'abcdefgh' AS nvarchar(max)),
  {TEXT_CHARACTERS // 8}), @data varbinary(max) = CONVERT(varbinary(max),
  REPLICATE(CAST('z' AS varchar(max)), {BYTES}));
BEGIN TRANSACTION;
WHILE @i < {rows} BEGIN
  INSERT INTO dbo.notes VALUES (@i, @i, N'a name', @body, @data); SET @i = @i + 1;
END
COMMIT;
GO
EXEC dstream.capture_scan_all;
GO
""")
        self.endpoint = Endpoint(
            [build / "tests/standins/sqlserver/program/dstream-sqlserver", "--port", "0",
             "--database", "bench", "--password", "bench", "--script", script,
             "--capture-interval", "200"], r"listening \S+:(\d+) ")
        port = self.endpoint.address
        self.url = (f"sqlserver://sa:bench@127.0.0.1:{port}?database=bench&encrypt=no"
                    "&packet_size=32000")
        self.odbc = (f"Driver={odbc_driver()};Server=127.0.0.1;Port={port};UID=sa;PWD=bench;"
                     "Database=bench;TDS_Version=7.4;PacketSize=32000")

    def source(self):
        return super().source().replace("dbo.orders", "dbo.notes")


def run(build, folder, options):
    print(f"B2 with values of no fixed size: {TEXT_CHARACTERS:,} characters and {BYTES:,} bytes a "
          "row, against a bare loop that reads the same columns row by row")
    database = LargeDatabase(build, folder, ROWS)
    endpoints = {"the SQL Server stand-in": database.endpoint}
    pipeline = (f"pipelines:\n  - name: b2\n    source: {database.source()}\n"
                "    sink: {type: 'null'}\n")
    try:
        bare = [build / "tests/bench/bare_large", database.odbc, "dbo_notes"]
        results = interleave(
            options.runs, bare=lambda: busy(endpoints, lambda: run_yardstick(bare)),
            decode=lambda: busy(endpoints, Host(build, folder, pipeline, ROWS, False).measure))
    finally:
        database.endpoint.stop()
    out = summary(results)
    print_endpoints(endpoints, results)
    ratio = out["decode"]["cpu_us_per_row"] / out["bare"]["cpu_us_per_row"]
    verdict("B2 CPU a row with values of no fixed size, over the bare loop", ratio,
            f"<= {RATIO_MAX}", ratio <= RATIO_MAX)
    return {**out, "ratio": ratio}
