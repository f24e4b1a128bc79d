#!/usr/bin/env python3
"""DStream's debezium-json against Debezium's SQL Server connector, field by field.

usage: equality_test.py DSTREAM_SQLSERVER DSTREAM [--keep]

Both read the same changes of the same stand-in: every type Debezium knows, with limits, NULLs and
random values, inserts, updates, deletes, changed keys, a table without a key. Topics, keys, values
with their schemas and headers have to be equal, but for what differs by design: the version, times
of reading and commit, and headers of one side (see LEFT_OUT).
"""
import json
import random
import struct
import sys

sys.dont_write_bytecode = True  # the tree stays as it is
from children import (  # noqa: E402
    Child, PASSWORD, Server, Sql, WAIT_S, in_folder, properties, run_parser)

# Of the payload: DStream's version is its own, and each side says when it read. Debezium takes the
# begin of a transaction for source.ts_*, DStream its commit.
LEFT_OUT = [("source", "version"), ("source", "ts_ms"), ("source", "ts_us"), ("source", "ts_ns"),
            ("ts_ms",), ("ts_us",), ("ts_ns",)]
# Headers of one side alone: the deduplication id, and who Debezium's task was.
OWN_HEADERS = ("ce_", "__debezium.context.")

NOT_LOGGED = {"c_varcharmax", "c_nvarcharmax", "c_varbinarymax", "c_text", "c_ntext", "c_image",
              "c_xml"}
UNAVAILABLE = {"__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="}

NINES = "9" * 38
SMILE = "\U0001F600"
# Column -> type, and literals beside NULL.
COLUMNS = {
    "c_bit": ("bit", ["0", "1"]),
    "c_tinyint": ("tinyint", ["0", "255"]),
    "c_smallint": ("smallint", ["-32768", "32767"]),
    "c_int": ("int", ["-2147483648", "2147483647"]),
    "c_bigint": ("bigint", ["-9223372036854775808", "9223372036854775807"]),
    "c_decimal": ("decimal(18,4)", ["-0.0001", "99999999999999.9999", "0", "-1.28", "1.28"]),
    "c_decimal38": ("decimal(38,0)", [NINES, "-" + NINES, "128", "-128", "255", "256"]),
    "c_decimal3838": ("decimal(38,38)", ["0." + NINES, "-0." + NINES]),
    "c_numeric": ("numeric(9,2)", ["-1234567.89", "0.5"]),
    "c_money": ("money", ["922337203685477.5807", "-922337203685477.5808", "0"]),
    "c_smallmoney": ("smallmoney", ["214748.3647", "-214748.3648"]),
    "c_real": ("real", ["0.1e0", "3.4028235e38", "-1.17549435e-38", "16777216e0", "1e-5", "0e0"]),
    "c_float": ("float", ["0.1e0", "1.7976931348623157e308", "2.2250738585072014e-308", "1e21",
                          "123456789e0", "1e-7", "-5e0"]),
    "c_float24": ("float(24)", ["0.1e0"]),
    "c_char": ("char(5)", ["'ab'", "''"]),
    "c_varchar": ("varchar(20)", ["'caf\u00e9 \u20ac'", "''", "' '", "'\"\\/\t'"]),
    "c_nchar": ("nchar(4)", [f"N'{SMILE}'", "N'\u00e9'"]),
    "c_nvarchar": ("nvarchar(40)", [f"N'{SMILE} \u65e5\u672c'", "N''", "N'\u2028<&>\u007f'"]),
    "c_varcharmax": ("varchar(max)", ["'x'", "''"]),
    "c_nvarcharmax": ("nvarchar(max)", [f"N'{SMILE}'", "N''"]),
    "c_text": ("text", ["'text'"]),
    "c_ntext": ("ntext", [f"N'{SMILE}'"]),
    "c_xml": ("xml", ["N'<a b=\"1\">\u00e9</a>'"]),
    "c_binary": ("binary(4)", ["0x01", "0xFFFFFFFF"]),
    "c_varbinary": ("varbinary(10)", ["0x", "0x00FF10"]),
    "c_varbinarymax": ("varbinary(max)", ["0x0102", "0x"]),
    "c_image": ("image", ["0x0102"]),
    "c_guid": ("uniqueidentifier", ["'6F9619FF-8B86-D011-B42D-00C04FC964FF'"]),
    "c_date": ("date", ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'", "'2024-02-29'"]),
    **{f"c_time{n}": (f"time({n})", ["'00:00'", "'23:59:59" + ("." + "9" * n if n else "") + "'"])
       for n in range(8)},
    "c_datetime": ("datetime", ["'1753-01-01T00:00:00'", "'9999-12-31T23:59:59.997'",
                                "'1969-12-31T23:59:59.003'"]),
    "c_smalldatetime": ("smalldatetime", ["'1900-01-01'", "'2079-06-06T23:59:00'"]),
    **{f"c_datetime2_{n}": (f"datetime2({n})", [
        "'1969-12-31T23:59:59" + ("." + "9" * n if n else "") + "'", "'2026-11-23T10:11:12'"]
        + (["'0001-01-01'", "'9999-12-31T23:59:59'"] if n < 7 else [
            "'1677-09-22'", "'2262-04-11T23:47:16.8547758'"])) for n in range(8)},
    **{f"c_offset{n}": (f"datetimeoffset({n})", [
        "'2026-11-23T10:11:12" + ("." + "1" * n if n else "") + "+05:30'",
        "'2026-11-23T10:11:00+00:00'", "'2026-11-23T00:00:00-14:00'"]) for n in (0, 3, 7)},
}
TABLES = ["every_type", "two_keys", "no_key"]
SETUP = f"""
CREATE TABLE dbo.every_type (id int NOT NULL PRIMARY KEY, version int NOT NULL,
  {", ".join(f"{name} {kind} NULL" for name, (kind, _) in COLUMNS.items())});
CREATE TABLE dbo.two_keys (b nvarchar(10) NOT NULL, a bigint NOT NULL, v decimal(9,2) NOT NULL,
  PRIMARY KEY (a, b));
CREATE TABLE dbo.no_key (v int NULL, w datetime2(3) NOT NULL);
GO
EXEC sys.sp_cdc_enable_db;
GO
""" + "".join(f"EXEC sys.sp_cdc_enable_table N'dbo', N'{t}', @role_name = NULL;\nGO\n"
              for t in TABLES)


class Records(Child):
    """Debezium's connector, with all that a record has."""

    def __init__(self, java, configuration, folder):
        self.records, self.state = [], None
        file = folder / "equality.properties"
        file.write_text("".join(f"{k}={v}\n" for k, v in configuration.items()))
        super().__init__("debezium", java + ["Client", "records", str(file)], folder)
        self.wait_for("the start of streaming", lambda: self.state == "running")

    def take(self, line):
        kind, _, text = line.partition("\t")
        if kind == "record":
            record = json.loads(text)
            # The tombstone of a row without a key says nothing, and DStream sends none.
            if record["key"] is not None or record["value"] is not None:
                self.records.append(record)
        else:
            self.state = text.partition("\t")[0]
            self.ended = self.ended or self.state == "failed"


class DStream(Child):
    """Our pipeline, which writes its messages to standard output."""

    def __init__(self, program, port, folder):
        self.records = []
        configuration = folder / "dstream.yaml"
        configuration.write_text(json.dumps({"pipelines": [{
            "name": "equality",
            "source": {"type": "sqlserver-cdc", "poll_interval": "50ms", "snapshot": "never",
                       "tables": [f"dbo.{table}" for table in TABLES],
                       "connection": f"sqlserver://sa:{PASSWORD}@127.0.0.1:{port}?database=shop"
                                     "&encrypt=no"},
            "sink": {"type": "console", "output": "json",
                     "topic": "shop.{database}.{schema}.{table}"},
            "key": {"allow_none": True},
            "format": {"type": "debezium-json", "topic_prefix": "shop", "schemas_enable": True},
        }]}), encoding="utf-8")
        super().__init__("dstream", [program, "run", configuration, "--state-dir",
                                     folder / "state"], folder)

    def take(self, line):
        self.records.append(json.loads(line))


def update(table, values, condition):
    assignments = ", ".join(f"{column} = {value}" for column, value in values.items())
    return f"UPDATE dbo.{table} SET {assignments} WHERE {condition}"


def statements(chosen):
    """(SQL, the number of records it makes, tombstones among them)."""
    rows = max(len(literals) for _, literals in COLUMNS.values())
    for i in range(rows):
        values = [literals[i % len(literals)] for _, literals in COLUMNS.values()]
        yield f"INSERT INTO dbo.every_type VALUES ({i}, 0, {', '.join(values)})", 1
    yield f"INSERT INTO dbo.every_type (id, version) VALUES ({rows}, 0)", 1
    for i in range(4 * rows):
        some = {name: chosen.choice(COLUMNS[name][1] + ["NULL"])
                for name in chosen.sample(list(COLUMNS), 12)}
        yield update("every_type", {"version": i + 1, **some}, f"id = {i % (rows + 1)}"), 1
    yield update("every_type", {"id": 1000}, "id = 0"), 3
    for i in range(1, rows + 1):
        yield f"DELETE FROM dbo.every_type WHERE id = {i}", 2
    yield f"INSERT INTO dbo.two_keys VALUES (N'{SMILE} \"', 1, 1.5), (N'', -5, 0)", 2
    yield update("two_keys", {"v": -2}, "a = 1"), 1
    yield update("two_keys", {"a": "a + 100"}, "v < 1"), 6
    yield update("two_keys", {"b": "N'x'"}, "a = 101"), 3
    yield "DELETE FROM dbo.two_keys", 4
    yield "INSERT INTO dbo.no_key VALUES (NULL, '2026-11-23T10:11:12.123'), (1, '2026-11-23')", 2
    yield update("no_key", {"v": 7}, "v = 1"), 1
    yield "DELETE FROM dbo.no_key", 2


def differences(place, ours, theirs):
    """Where two JSON values differ: (path, ours, theirs)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if list(ours) != list(theirs):
            yield place + ("<names>",), list(ours), list(theirs)
        for name in ours.keys() & theirs.keys():
            yield from differences(place + (name,), ours[name], theirs[name])
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (left, right) in enumerate(zip(ours, theirs)):
            yield from differences(place + (i,), left, right)
    elif type(ours) is not type(theirs) or ours != theirs:
        yield place, ours, theirs


def is_left_out(place, ours, theirs):
    if place[:1] == ("payload",) and place[1:] in LEFT_OUT:
        return True
    # Java 17 does not always write the shortest digits of a float; it has to be the same float.
    if place[-1] in ("c_real", "c_float24") and None not in (ours, theirs):
        return struct.pack("f", ours) == struct.pack("f", theirs)
    # What was not logged: Debezium takes only the JDBC types LONGVARCHAR and the like for large,
    # and mssql-jdbc calls these columns VARCHAR, so that it cannot tell them from NULL.
    return (len(place) == 3 and place[1] in ("before", "after") and place[2] in NOT_LOGGED
            and ours in UNAVAILABLE and theirs is None)


def compare(number, ours, theirs):
    """Sentences about what differs in one record."""
    theirs = {**theirs, **{part: theirs[part] and json.loads(theirs[part])
                           for part in ("key", "value")}}
    wrong = []
    for part in ("topic", "key", "value"):
        for place, left, right in differences((), ours[part], theirs[part]):
            if not is_left_out(place, left, right):
                wrong.append(f"record {number}, {part} {'.'.join(map(str, place))}: DStream has "
                             f"{json.dumps(left)[:300]}, Debezium {json.dumps(right)[:300]}")
    left, right = ({name: value for name, value in side.get("headers", {}).items()
                    if not name.startswith(OWN_HEADERS)} for side in (ours, theirs))
    if left != right:
        wrong.append(f"record {number}: headers {left} and {right}")
    return wrong


class Run:
    def __init__(self, arguments, folder, java):
        self.arguments, self.folder, self.java = arguments, folder, java
        script = folder / "setup.sql"
        script.write_text(SETUP, encoding="utf-8")
        self.server = Server(arguments.sqlserver, str(script), folder)

    def run(self):
        port = self.server.port
        debezium = Records(self.java, properties(port, self.folder, **{
            "snapshot.mode": "no_data", "tombstones.on.delete": "true",
            "decimal.handling.mode": "precise", "heartbeat.interval.ms": 0,
            "key.converter.schemas.enable": "true",
            "value.converter.schemas.enable": "true"}), self.folder)
        sql = Sql(self.java, port, 1, self.folder)
        count = 0
        for statement, records in statements(random.Random(self.arguments.seed)):
            sql.ok(0, statement)
            count += records
        debezium.wait_for(f"record {count}", lambda: len(debezium.records) >= count)
        ours = DStream(self.arguments.dstream, port, self.folder)
        ours.wait_for(f"record {count}", lambda: len(ours.records) >= count)
        ours.process.terminate()
        ours.process.wait(30)
        wrong = []
        if not len(ours.records) == len(debezium.records) == count:
            wrong.append(f"{len(ours.records)} records of DStream, {len(debezium.records)} of "
                         f"Debezium, {count} expected")
        for number, (left, right) in enumerate(zip(ours.records, debezium.records)):
            wrong += compare(number, left, right)
        for sentence in wrong[:60]:
            print(sentence, flush=True)
        if wrong:
            raise AssertionError(f"{len(wrong)} differences")
        print(f"{count} records are equal", flush=True)
        self.beyond_nanoseconds(sql, debezium, count)
        for child in (sql, debezium):
            child.end()

    def beyond_nanoseconds(self, sql, debezium, count):
        """Where docs/messages.md says that the two part ways."""
        sql.ok(0, "INSERT INTO dbo.every_type (id, version, c_datetime2_7) "
                  "VALUES (9999, 0, '9999-12-31')")
        debezium.wait_for("the row beyond", lambda: len(debezium.records) > count)
        row = json.loads(debezium.records[-1]["value"])["payload"]["after"]
        if row["id"] != 9999 or row["c_datetime2_7"] is not None:
            raise AssertionError(f"Debezium made {row} of it")
        ours = DStream(self.arguments.dstream, self.server.port, self.folder)
        if ours.process.wait(WAIT_S) == 0 or "DS-ENCODE-RANGE" not in ours.log.read_text():
            raise AssertionError(f"DStream did not refuse it, see {ours.log}")

    def stop(self):
        self.server.process.terminate()
        self.server.process.wait(30)


def main():
    parser = run_parser(__doc__)
    parser.add_argument("sqlserver")
    parser.add_argument("dstream")
    in_folder("debezium-equality-", parser.parse_args(), Run)


if __name__ == "__main__":
    main()
