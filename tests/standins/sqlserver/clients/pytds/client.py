"""The cases of the client table through pytds: one JSON line a case.

usage: client.py PORT CERTIFICATE TYPES_FILE [CASE...]
"""

import datetime
import decimal
import json
import sys
import traceback
import uuid

import pytds
from pytds import tds_base
from pytds import tds_types

PORT, CERTIFICATE, TYPES_FILE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
CHOSEN = sys.argv[4:]
ROWS = ("high", "low", "empty", "null")


def connect(**more):
    options = dict(server="localhost", port=PORT, database="clients", user="sa", password="Secret-1",
                   autocommit=True, login_timeout=20, disable_connect_retry=True)
    options.update(more)
    return pytds.connect(**options)


def read_types():
    with open(TYPES_FILE, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def text_of(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        text = value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        if value.tzinfo is None:
            return text
        minutes = int(value.utcoffset().total_seconds() // 60)
        sign = "-" if minutes < 0 else "+"
        return f"{text} {sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return str(value)


SIZED = {"char": tds_types.CharType, "varchar": tds_types.VarCharType, "nchar": tds_types.NCharType,
         "nvarchar": tds_types.NVarCharType, "binary": tds_types.VarBinaryType,
         "varbinary": tds_types.VarBinaryType, "time": tds_types.TimeType,
         "datetime2": tds_types.DateTime2Type, "datetimeoffset": tds_types.DateTimeOffsetType}
PLAIN = {"varchar(max)": tds_types.VarCharMaxType, "nvarchar(max)": tds_types.NVarCharMaxType,
         "varbinary(max)": tds_types.VarBinaryMaxType, "text": tds_types.TextType,
         "ntext": tds_types.NTextType, "image": tds_types.ImageType, "xml": tds_types.XmlType,
         "bit": tds_types.BitType, "tinyint": tds_types.TinyIntType,
         "smallint": tds_types.SmallIntType, "int": tds_types.IntType,
         "bigint": tds_types.BigIntType, "real": tds_types.RealType, "float": tds_types.FloatType,
         "money": tds_types.MoneyType, "smallmoney": tds_types.SmallMoneyType,
         "date": tds_types.DateType, "datetime": tds_types.DateTimeType,
         "smalldatetime": tds_types.SmallDateTimeType,
         "uniqueidentifier": tds_types.UniqueIdentifierType}


def type_of(declaration):
    if declaration == "sql_variant":
        return tds_types.NVarCharType(50)  # what the variant is to hold
    if declaration in PLAIN:
        return PLAIN[declaration]()
    name, _, arguments = declaration.rstrip(")").partition("(")
    numbers = [int(n) for n in arguments.split(",")]
    if name in ("decimal", "numeric"):
        return tds_types.DecimalType(*numbers)
    return SIZED[name](numbers[0])


def microseconds(text):
    head, dot, fraction = text.partition(".")
    return head + (dot and "." + fraction[:6])


def time_value(key, text):
    if key == "date":
        return datetime.date.fromisoformat(text)
    if key.startswith("time"):
        return datetime.time.fromisoformat(microseconds(text).ljust(15, "0") if "." in text else text)
    if key.startswith("datetimeoffset"):
        at, offset = text.rsplit(" ", 1)
        sign = -1 if offset[0] == "-" else 1
        minutes = sign * (int(offset[1:3]) * 60 + int(offset[4:]))
        zone = datetime.timezone(datetime.timedelta(minutes=minutes))
        return datetime.datetime.fromisoformat(microseconds(at)).replace(tzinfo=zone)
    return datetime.datetime.fromisoformat(microseconds(text))


def python_value(key, kind, text):
    if text is None:
        return None
    if key == "bit":
        return text == "1"
    if kind == "integer":
        return int(text)
    if kind in ("single", "double"):
        return float(text)
    if kind == "decimal":
        return decimal.Decimal(text)
    if kind == "bytes":
        return bytes.fromhex(text)
    if kind == "guid":
        return uuid.UUID(text)
    return time_value(key, text) if kind == "time" else text


def texts(fields):
    """(row, text) of a type's four rows."""
    return list(zip(ROWS, fields[3:6] + [None]))


def first(cursor, sql, parameters=None):
    cursor.execute(sql, parameters)
    return cursor.fetchone()[0]


def joined(cursor, sql):
    cursor.execute(sql)
    return ",".join(text_of(row[0]) for row in cursor.fetchall())


def connect_case(**more):
    with connect(**more) as connection, connection.cursor() as cursor:
        sql = "SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID"
        long = first(cursor, "SELECT c_varchar_max FROM dbo.typed_values WHERE id = 1")
        return {"database": first(cursor, "SELECT DB_NAME()"),
                "encrypt_option": first(cursor, sql), "long": str(len(long))}


def connect_plain():
    return connect_case()


def connect_tls():
    return connect_case(cafile=CERTIFICATE, validate_host=True)


def wrong_password():
    try:
        connect(password="not-Secret-1")
    except pytds.Error as error:
        return {"number": str(error.msg_no)}
    return {}


def read_table(cursor, table):
    types = read_types()
    names = ", ".join("c_" + fields[0] for fields in types)
    cursor.execute(f"SELECT {names} FROM dbo.{table} ORDER BY id")
    rows = cursor.fetchall()
    return {f"{fields[0]}.{row}": text_of(rows[y][x])
            for y, row in enumerate(ROWS) for x, fields in enumerate(types)}


def read():
    with connect() as connection, connection.cursor() as cursor:
        return read_table(cursor, "typed_values")


def each_type(action):
    """A type's failure is that type's value: the others still have their say."""
    values = {}
    for fields in read_types():
        for row, text in texts(fields):
            try:
                got = action(fields, row, python_value(fields[0], fields[2], text))
                if got is not None:
                    values[f"{fields[0]}.{row}"] = got
            except Exception as error:  # pylint: disable=broad-except
                values[f"{fields[0]}.{row}"] = f"!{type(error).__name__}: {error}"
    return values


def parameters():
    with connect() as connection:
        def echo(fields, _row, value):
            with connection.cursor() as cursor:
                parameter = tds_base.Param(type=type_of(fields[1]), value=value)
                return text_of(first(cursor, f"SELECT CAST(%s AS {fields[1]}) AS v", (parameter,)))
        return each_type(echo)


def prepared():
    """pytds has no prepared statements of its own: sp_prepare and sp_execute as procedures."""
    handles = {}
    with connect() as connection:
        def store(fields, row, value):
            key, declaration = fields[0], fields[1]
            with connection.cursor() as cursor:
                if key not in handles:
                    cursor.callproc("sp_prepare", [
                        pytds.output(param_type=int), f"@v {declaration}, @id int",
                        f"UPDATE dbo.prepared_values SET c_{key} = @v WHERE id = @id"])
                    handles[key] = cursor.get_proc_outputs()[0]
                cursor.callproc("sp_execute", [
                    handles[key], tds_base.Param(type=type_of(declaration), value=value),
                    ROWS.index(row) + 1])
        failures = each_type(store)
        with connection.cursor() as cursor:
            for handle in handles.values():
                cursor.callproc("sp_unprepare", [handle])
            return {**read_table(cursor, "prepared_values"), **failures}


def transactions():
    with connect(autocommit=False) as connection, connect() as other:
        def seen():
            with other.cursor() as cursor:
                return joined(cursor, "SELECT id FROM dbo.transaction_rows ORDER BY id")
        values = {}
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO dbo.transaction_rows VALUES (1)")
            connection.rollback()
            values["after_rollback"] = seen()
            cursor.execute("INSERT INTO dbo.transaction_rows VALUES (1)")
            connection.commit()
            values["after_commit"] = seen()
            cursor.execute("INSERT INTO dbo.transaction_rows VALUES (2)")
            cursor.execute("SAVE TRANSACTION before_three")
            cursor.execute("INSERT INTO dbo.transaction_rows VALUES (3)")
            cursor.execute("ROLLBACK TRANSACTION before_three")
            connection.commit()
            values["after_savepoint"] = seen()
        return values


def rows_100000():
    count = sum_id = name_length = nulls = 0
    sum_amount = decimal.Decimal(0)
    last = ""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, name, amount, at, note FROM dbo.big ORDER BY id")
        for number, name, amount, at, note in cursor:
            count += 1
            sum_id += number
            name_length += len(name)
            sum_amount += amount
            nulls += note is None
            last = f"{name}|{at.isoformat(sep=' ', timespec='milliseconds')}"
    return {"rows": str(count), "sum_id": str(sum_id), "sum_amount": f"{sum_amount:.4f}",
            "name_length": str(name_length), "nulls": str(nulls), "last": last}


def after_cancel(cursor, session_id):
    return {"then": joined(cursor, "SELECT 42"),
            "same_connection": "yes" if first(cursor, "SELECT @@SPID") == session_id else "no"}


def cancel():
    with connect() as connection, connection.cursor() as cursor:
        session_id = first(cursor, "SELECT @@SPID")
        cursor.execute("SELECT a.id, a.name FROM dbo.big a CROSS JOIN dbo.big b")
        rows = cursor.fetchmany(10)
        cursor.cancel()
        return {"rows_before": str(len(rows)), **after_cancel(cursor, session_id)}


def cancel_waiting():
    with connect(timeout=1) as connection, connection.cursor() as cursor:
        session_id = first(cursor, "SELECT @@SPID")
        try:
            cursor.execute("WAITFOR DELAY '00:01:00'")
            return {"then": "it was not interrupted"}
        except pytds.TimeoutError:
            return after_cancel(cursor, session_id)


def connections_50():
    connections = [connect() for _ in range(50)]
    ids = set()
    for connection in connections:
        with connection.cursor() as cursor:
            ids.add(first(cursor, "SELECT @@SPID"))
    for connection in connections:
        connection.close()
    return {"open": str(len(connections)), "distinct": str(len(ids))}


def errors():
    statements = {"duplicate": "INSERT INTO dbo.orders VALUES (2, N'again', 0)",
                  "missing": "SELECT * FROM dbo.not_there", "syntax": "SELECT (1",
                  "zero": "SELECT 1 / (id - 2) FROM dbo.orders WHERE id = 2",
                  "thrown": "THROW 50123, N'thrown', 1"}
    values = {}
    with connect() as connection, connection.cursor() as cursor:
        for name, sql in statements.items():
            try:
                cursor.execute(sql)
                cursor.fetchall()
                values[name] = "no error"
            except pytds.Error as error:
                values[name] = str(getattr(error, "msg_no", error))
        values["then"] = joined(cursor, "SELECT 42")
    return values


def cdc():
    with connect() as connection, connection.cursor() as cursor:
        values = {
            "change_tables": joined(cursor, "SELECT capture_instance FROM cdc.change_tables"),
            "captured_columns": joined(
                cursor, "SELECT column_name FROM cdc.captured_columns ORDER BY column_ordinal"),
            "lsn_time_mapping": joined(
                cursor, "SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00")}
        cursor.execute("SELECT sys.fn_cdc_get_min_lsn(N'dbo_orders'), sys.fn_cdc_get_max_lsn()")
        low, high = cursor.fetchone()
        values["max_lsn_bytes"] = str(len(high))
        cursor.callproc("sys.sp_cdc_help_change_data_capture", [])
        help_row = cursor.fetchone()
        values["help"] = f"{help_row[0]}.{help_row[1]} {help_row[2]}"
        cursor.execute("SELECT __$operation, id, customer, amount "
                       "FROM cdc.fn_cdc_get_all_changes_dbo_orders(%s, %s, N'all update old') "
                       "ORDER BY __$start_lsn, __$seqval, __$operation",
                       [tds_base.Param(type=tds_types.VarBinaryType(10), value=lsn)
                        for lsn in (low, high)])
        values["changes"] = ";".join(f"{o},{i},{c},{a:.4f}" for o, i, c, a in cursor.fetchall())
    return values


def bulk_load():
    columns = [tds_base.Column("id", type=tds_types.IntType(), flags=0),
               tds_base.Column("name", type=tds_types.NVarCharType(40), flags=0),
               tds_base.Column("amount", type=tds_types.DecimalType(18, 4), flags=0),
               tds_base.Column("at", type=tds_types.DateTime2Type(3), flags=0),
               tds_base.Column("note", type=tds_types.VarCharType(60))]
    at = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000)
    rows = [[i, f"name {i}", decimal.Decimal(i) / 4, at, None if i % 10 == 0 else "note"]
            for i in range(1, 1001)]
    with connect() as connection, connection.cursor() as cursor:
        cursor.copy_to(table_or_view="bulk_rows", schema="dbo", columns=columns, data=rows)
        cursor.execute("SELECT COUNT(*), SUM(id), SUM(LEN(name)), SUM(amount), MAX(at), "
                       "SUM(CASE WHEN note IS NULL THEN 1 ELSE 0 END) FROM dbo.bulk_rows")
        row = cursor.fetchone()
    return {"rows": text_of(row[0]), "sum_id": text_of(row[1]), "name_length": text_of(row[2]),
            "sum_amount": f"{row[3]:.4f}", "last": row[4].isoformat(sep=" ", timespec="milliseconds"),
            "nulls": text_of(row[5])}


CASES = [connect_plain, connect_tls, wrong_password, read, parameters, prepared, transactions,
         rows_100000, cancel, cancel_waiting, connections_50, errors, cdc, bulk_load]

for case in CASES:
    if CHOSEN and case.__name__ not in CHOSEN:
        continue
    line = {"case": case.__name__, "values": {}}
    try:
        line["values"] = case()
    except Exception:  # pylint: disable=broad-except
        line["error"] = traceback.format_exc(limit=-3)
    print(json.dumps(line, ensure_ascii=False), flush=True)
