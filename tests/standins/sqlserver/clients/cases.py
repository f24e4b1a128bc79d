"""What every client is asked, and what SQL Server answers.

A client prints one JSON line a case: {"case": NAME, "values": {KEY: TEXT}} or
{"case": NAME, "error": TEXT}. It decides nothing: right and wrong are told apart here.
"""

import decimal
import struct

DATABASE = "clients"
USER = "sa"
PASSWORD = "Secret-1"
ROWS = ("high", "low", "empty", "null")
LONG = 70_000  # characters: more than one packet, more than 64 KiB


class Type:
    """A column type: how it is declared, how texts of it compare, and three values.

    A value is (T-SQL literal, text); the text alone goes to the clients. `parameter` is the type
    that values are sent as, where no client has the type itself. A `generated` one is made by the
    server in every row, so that prepared statements store into a column of `parameter`.
    """

    def __init__(self, key, declaration, kind, high, low, empty, parameter="", generated=False):
        self.key, self.declaration, self.kind = key, declaration, kind
        self.parameter = parameter or declaration
        self.generated = generated
        self.values = {"high": high, "low": low, "empty": empty}

    def text(self, row):
        return "NULL" if row == "null" else self.values[row][1]


def _plain(text):
    return (text, text)


def _quoted(text, national=False):
    return (("N'" if national else "'") + text.replace("'", "''") + "'", text)


def _bytes(text):
    return ("0x" + text, text)


def _long(unit, national=False):
    length = LONG // len(unit)
    max_type = "nvarchar(max)" if national else "varchar(max)"
    literal = _quoted(unit, national)[0]
    return (f"REPLICATE(CAST({literal} AS {max_type}), {length})", unit * length)


_LONG_BYTES = ("CAST(REPLICATE(CAST('\\x' AS varchar(max)), 35000) AS varbinary(max))", "5C78" * 35_000)

TYPES = [
    Type("bit", "bit", "integer", _plain("1"), _plain("0"), _plain("0")),
    Type("tinyint", "tinyint", "integer", _plain("255"), _plain("0"), _plain("128")),
    Type("smallint", "smallint", "integer", _plain("32767"), _plain("-32768"), _plain("0")),
    Type("int", "int", "integer", _plain("2147483647"), _plain("-2147483648"), _plain("0")),
    Type("bigint", "bigint", "integer", _plain("9223372036854775807"),
         _plain("-9223372036854775808"), _plain("0")),
    Type("real", "real", "single", ("3.402823E+38", "3.402823e+38"), ("-1.5E-3", "-0.0015"),
         _plain("0")),
    Type("float", "float", "double", ("1.7976931348623157E+308", "1.7976931348623157e+308"),
         ("-2.2250738585072014E-308", "-2.2250738585072014e-308"), _plain("0")),
    Type("decimal", "decimal(38,10)", "decimal",
         _plain("1234567890123456789012345678.0123456789"),
         _plain("-9999999999999999999999999999.9999999999"), _plain("0.0000000001")),
    Type("numeric", "numeric(18,4)", "decimal", _plain("99999999999999.9999"),
         _plain("-0.0001"), _plain("0.0000")),
    Type("money", "money", "decimal", _plain("922337203685477.5807"),
         _plain("-922337203685477.5808"), _plain("0.0001")),
    Type("smallmoney", "smallmoney", "decimal", _plain("214748.3647"), _plain("-214748.3648"),
         _plain("0.0000")),
    Type("date", "date", "time", _quoted("9999-12-31"), _quoted("0001-01-01"),
         _quoted("2024-02-29")),
    Type("time", "time(7)", "time", _quoted("23:59:59.9999999"), _quoted("00:00:00.0000001"),
         _quoted("00:00:00")),
    Type("time3", "time(3)", "time", _quoted("23:59:59.999"), _quoted("00:00:00.001"),
         _quoted("00:00:00")),
    Type("datetime", "datetime", "time", _quoted("9999-12-31 23:59:59.997"),
         _quoted("1753-01-01 00:00:00"), _quoted("2024-02-29 12:30:15.123")),
    Type("smalldatetime", "smalldatetime", "time", _quoted("2079-06-06 23:59:00"),
         _quoted("1900-01-01 00:00:00"), _quoted("2024-02-29 12:30:00")),
    Type("datetime2", "datetime2(7)", "time", _quoted("9999-12-31 23:59:59.9999999"),
         _quoted("0001-01-01 00:00:00"), _quoted("2024-02-29 12:30:15.1234567")),
    Type("datetime2_3", "datetime2(3)", "time", _quoted("9999-12-31 23:59:59.999"),
         _quoted("0001-01-01 00:00:00"), _quoted("2024-02-29 12:30:15.123")),
    Type("datetimeoffset", "datetimeoffset(7)", "time",
         _quoted("9999-12-31 23:59:59.9999999 +00:00"), _quoted("0001-01-02 00:00:00 -11:30"),
         _quoted("2024-02-29 12:30:15.1234567 +05:30")),
    Type("datetimeoffset3", "datetimeoffset(3)", "time",
         _quoted("9999-12-31 23:59:59.999 +00:00"), _quoted("0001-01-02 00:00:00 -11:30"),
         _quoted("2024-02-29 12:30:15.123 +05:30")),
    Type("char", "char(10)", "text", _quoted("Café €99  "), _quoted("a         "),
         _quoted(" " * 10)),
    Type("varchar", "varchar(50)", "text", _quoted("it's “quoted” – déjà vu"), _quoted(" "),
         _quoted("")),
    Type("varchar_max", "varchar(max)", "text", _long("0123456789"), _quoted("é"), _quoted("")),
    Type("text", "text", "text", _long("abcdefg "), _quoted("x"), _quoted("y")),
    Type("nchar", "nchar(10)", "text", _quoted("Ωмега 東京  ", True),
         _quoted("a         ", True), _quoted(" " * 10, True)),
    Type("nvarchar", "nvarchar(50)", "text", _quoted("naïve 東京 \U0001f600 ΑΩ", True),
         _quoted(" ", True), _quoted("", True)),
    Type("nvarchar_max", "nvarchar(max)", "text", _long("東京Ωя-", True), _quoted("\U0001f600", True),
         _quoted("", True)),
    Type("ntext", "ntext", "text", _long("мир €", True), _quoted("ж", True), _quoted("y", True)),
    Type("binary", "binary(8)", "bytes", _bytes("FFFFFFFFFFFFFFFF"), _bytes("0000000000000001"),
         _bytes("0000000000000000")),
    Type("varbinary", "varbinary(50)", "bytes", _bytes("00DEADBEEF00"), _bytes("00"), _bytes("")),
    Type("varbinary_max", "varbinary(max)", "bytes", _LONG_BYTES, _bytes("FF"), _bytes("")),
    Type("image", "image", "bytes", _bytes("0102" * 3_000), _bytes("00"), _bytes("FE")),
    Type("uniqueidentifier", "uniqueidentifier", "guid",
         _quoted("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
         _quoted("00112233-4455-6677-8899-AABBCCDDEEFF"),
         _quoted("00000000-0000-0000-0000-000000000000")),
    Type("xml", "xml", "text", _quoted('<a b="1">東京</a>', True), _quoted("<x/>"), _quoted("<y/>")),
    Type("sql_variant", "sql_variant", "text", ("CAST(N'東京' AS nvarchar(50))", "東京"),
         ("CAST(N'x' AS nvarchar(10))", "x"), ("CAST(N'y' AS nvarchar(10))", "y")),
    Type("varchar_utf8", "varchar(50) COLLATE Latin1_General_100_CI_AS_SC_UTF8", "text",
         _quoted("naïve 東京 \U0001f600 ΑΩ", True), _quoted(" "), _quoted(""),
         parameter="nvarchar(50)"),
    # The first numbers of a database: what the rows got when they were inserted.
    Type("rowversion", "rowversion", "bytes", _bytes("00000000000007D1"),
         _bytes("00000000000007D2"), _bytes("00000000000007D3"), parameter="binary(8)",
         generated=True),
    # /1/2/, /1/ and the root.
    Type("hierarchyid", "hierarchyid", "bytes", _bytes("5B40"), _bytes("58"), _bytes(""),
         parameter="varbinary(892)"),
    # POINT(-122.349 47.651), POINT(0 0) and POINT EMPTY of SRID 4326.
    Type("geography", "geography", "bytes",
         _bytes("E6100000010C" + struct.pack("<dd", 47.651, -122.349).hex().upper()),
         _bytes("E6100000010C" + "00" * 16),
         _bytes("E610000001040000000000000000010000" + "00FFFFFFFFFFFFFFFF01"),
         parameter="varbinary(8000)"),
    # POINT(3 4), POINT(0 0) and POINT(-0.5 1e300) of SRID 0.
    Type("geometry", "geometry", "bytes",
         _bytes("00000000010C" + struct.pack("<dd", 3, 4).hex().upper()),
         _bytes("00000000010C" + "00" * 16),
         _bytes("00000000010C" + struct.pack("<dd", -0.5, 1e300).hex().upper()),
         parameter="varbinary(8000)"),
]

BIG_ROWS = 100_000

# Change rows as operation,id,customer,amount: what 'all update old' gives for the script below.
CHANGES = [
    "2,1,Ann,10.5000", "2,2,Bob,20.2500", "2,3,東京,30.0000",
    "3,2,Bob,20.2500", "4,2,Bob,99.9900", "1,1,Ann,10.5000",
]

_TYPED_VALUES_EXPECTED = {f"{t.key}.{row}": t.text(row) for t in TYPES for row in ROWS}
# The fourth row has its number as well.
_READ_EXPECTED = {**_TYPED_VALUES_EXPECTED, "rowversion.null": "00000000000007D4"}

CASES = {
    "connect_plain": {"database": DATABASE, "long": str(LONG), "encrypt_option": "FALSE"},
    "connect_tls": {"database": DATABASE, "long": str(LONG), "encrypt_option": "TRUE"},
    "connect_strict": {"database": DATABASE, "long": str(LONG), "encrypt_option": "TRUE"},
    "wrong_password": {"number": "18456"},
    "read": _READ_EXPECTED,
    "parameters": _TYPED_VALUES_EXPECTED,
    "prepared": _TYPED_VALUES_EXPECTED,
    "transactions": {"after_rollback": "", "after_commit": "1", "after_savepoint": "1,2"},
    "rows_100000": {"rows": str(BIG_ROWS), "sum_id": str(BIG_ROWS * (BIG_ROWS + 1) // 2),
                    "sum_amount": "1250012500.0000", "name_length": "1388895",
                    "nulls": str(BIG_ROWS // 10), "last": "customer 100000|2024-01-02 03:46:40.500"},
    "cancel": {"rows_before": "10", "then": "42", "same_connection": "yes"},
    "cancel_waiting": {"then": "42", "same_connection": "yes"},
    "connections_50": {"open": "50", "distinct": "50"},
    "errors": {"duplicate": "2627", "missing": "208", "syntax": "102", "zero": "8134",
               "thrown": "50123", "then": "42"},
    "cdc": {"change_tables": "dbo_orders", "captured_columns": "id,customer,amount",
            "lsn_time_mapping": "4", "max_lsn_bytes": "10", "help": "dbo.orders dbo_orders",
            "changes": ";".join(CHANGES)},
    "catalog": {"tables": "big,bulk_rows,order_lines,orders,prepared_values,transaction_rows,typed_values",
                "columns": "id int,customer nvarchar,amount decimal", "keys": "id",
                "foreign_keys": "id order_id",
                "described": "id 4,customer -9,amount 3"},
    "bulk_load": {"rows": "1000", "sum_id": "500500", "name_length": "7893", "nulls": "100",
                  "sum_amount": "125125.0000", "last": "2024-01-02 03:04:05.678"},
    "server_cursors": {"array_after_execute": "0", "array_before_execute": "1",
                       "array_prepared": "1", "scrolled": "50,49,2,1,48", "columns": "1",
                       "refreshed": "changed", "deleted_row": "deleted",
                       "changed": "a,changed,d"},
}


def column(key):
    return "c_" + key


def script():
    """T-SQL that the stand-in runs before the first login."""
    def table(name, declaration):
        columns = ", ".join(f"{column(t.key)} {declaration(t)} NULL" for t in TYPES)
        return f"CREATE TABLE dbo.{name} (id int NOT NULL PRIMARY KEY, {columns})"

    statements = [
        table("typed_values", lambda t: t.declaration),
        table("prepared_values", lambda t: t.parameter if t.generated else t.declaration),
    ]
    for number, row in enumerate(ROWS, 1):
        literals = ["DEFAULT" if t.generated else "NULL" if row == "null" else t.values[row][0]
                    for t in TYPES]
        statements.append(f"INSERT INTO dbo.typed_values VALUES ({number}, {', '.join(literals)})")
        statements.append(f"INSERT INTO dbo.prepared_values (id) VALUES ({number})")
    statements += [
        "CREATE TABLE dbo.transaction_rows (id int NOT NULL PRIMARY KEY)",
        *(f"CREATE TABLE dbo.{name} (id int NOT NULL PRIMARY KEY, name nvarchar(40) NOT NULL, "
          "amount decimal(18,4) NOT NULL, at datetime2(3) NOT NULL, note varchar(60) NULL)"
          for name in ("big", "bulk_rows")),
        _fill_big(),
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.orders (id int NOT NULL PRIMARY KEY, customer nvarchar(40), "
        "amount decimal(18,4))",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders', "
        "@role_name = NULL, @supports_net_changes = 1",
        "CREATE TABLE dbo.order_lines (id int NOT NULL PRIMARY KEY, order_id int CONSTRAINT "
        "of_order REFERENCES dbo.orders (id))",
        "INSERT INTO dbo.orders VALUES (1, N'Ann', 10.5), (2, N'Bob', 20.25)",
        "INSERT INTO dbo.orders VALUES (3, N'東京', 30)",
        "UPDATE dbo.orders SET amount = 99.99 WHERE id = 2",
        "DELETE FROM dbo.orders WHERE id = 1",
        "EXEC dstream.capture_scan_all",
        # From here on nothing moves: what the clients see is the same at any time of day.
        "EXEC dstream.capture_pause",
    ]
    return "\nGO\n".join(statements) + "\nGO\n"


def _fill_big():
    return ("SET NOCOUNT ON; DECLARE @id int = 1; BEGIN TRANSACTION; "
            f"WHILE @id <= {BIG_ROWS} BEGIN INSERT INTO dbo.big VALUES (@id, "
            "CONCAT(N'customer ', @id), @id * 0.25, "
            "DATEADD(second, @id % 86400, '2024-01-02T00:00:00.500'), "
            "CASE WHEN @id % 10 = 0 THEN NULL ELSE CONCAT('note of ', @id) END); "
            "SET @id = @id + 1 END; COMMIT")


def types_file(without):
    """Lines of key, declaration, kind, high, low, empty: tab separated, UTF-8."""
    lines = []
    for t in TYPES:
        if t.key not in without:
            texts = [t.values[row][1] for row in ROWS[:3]]
            lines.append("\t".join([t.key, t.parameter, t.kind] + texts) + "\n")
    return "".join(lines)


def _without_fraction_zeros(text):
    """'12:00:00.500' and '12:00:00.5000000' are the same time, '.000' is no fraction."""
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = tail[:len(tail) - len(tail.lstrip("0123456789"))]
    rest = tail[len(digits):]
    digits = digits.rstrip("0")
    return head + ("." + digits if digits else "") + rest


def same(kind, expected, got):
    """Whether two texts are the same value; how many zeros a client writes does not matter."""
    if expected == got or "NULL" in (expected, got):
        return expected == got
    try:
        if kind == "single":
            return struct.pack("<f", float(expected)) == struct.pack("<f", float(got))
        if kind == "double":
            return float(expected) == float(got)
        if kind == "decimal":
            return decimal.Decimal(expected) == decimal.Decimal(got)
    except (ValueError, OverflowError, decimal.InvalidOperation):
        return False
    if kind == "time":
        return _without_fraction_zeros(expected) == _without_fraction_zeros(got)
    return kind == "guid" and expected.lower() == got.lower()


KINDS = {t.key: t.kind for t in TYPES}
