"""Five tables, writers that change them at random, and what a reader of changes has to get.

The model knows no SQL Server: a writer remembers, for every transaction it committed, the events
that a connector has to deliver, in the form Debezium gives them. Writers own the keys they change,
so the order of one writer's transactions is known and nothing needs to be asked of the database.
"""
import base64
import datetime
import decimal
import random
import uuid
from collections import Counter

WRITERS = 3
DEADLOCK = 1205

# Column types: how a value is written in T-SQL, and how Debezium shows it.


def quoted(text):
    return "N'" + text.replace("'", "''") + "'"


def moment(digits):
    """datetime2: the value is a whole number of its smallest units since 1970."""
    def literal(value):
        seconds, rest = divmod(value, 10**digits)
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        return f"'{at:%Y-%m-%dT%H:%M:%S}.{rest:0{digits}d}'"
    return literal


EPOCH = datetime.date(1970, 1, 1)
# declaration -> (literal, shown)
TYPES = {
    "int": (str, int),
    "bigint": (str, int),
    "bit": (lambda v: str(int(v)), bool),
    "float": (repr, float),
    "decimal(18,4)": (str, str),
    "decimal(12,2)": (str, str),
    "money": (str, str),
    "nvarchar": (quoted, str),
    "varchar": (quoted, str),
    "nvarchar(max)": (quoted, str),
    "varbinary(max)": (lambda v: "0x" + v.hex(), lambda v: base64.b64encode(v).decode()),
    "binary(8)": (lambda v: "0x" + v.hex(), lambda v: base64.b64encode(v).decode()),
    "uniqueidentifier": (lambda v: f"'{v}'", lambda v: str(v).upper()),
    "date": (lambda v: f"'{v}'", lambda v: (v - EPOCH).days),
    "datetime2(3)": (moment(3), int),
    "datetime2(7)": (moment(7), lambda v: v * 100),
}
# Not in the change table if an update does not change them. Debezium knows them by the driver's
# LONGVARCHAR and the like, and mssql-jdbc reports them as VARCHAR: so it shows null.
LARGE = {"nvarchar(max)", "varbinary(max)"}


class Table:
    def __init__(self, name, columns, key, writer_of, is_keyed=True):
        self.name, self.columns, self.key = name, columns, key
        self.writer_of = writer_of  # of a row as Debezium shows it
        self.is_keyed = is_keyed

    def create(self):
        lines = [f"{name} {declaration}" for name, (declaration, _) in self.columns.items()]
        if self.is_keyed:
            lines.append(f"PRIMARY KEY ({', '.join(self.key)})")
        index = (f" CREATE INDEX by_key ON dbo.{self.name} ({', '.join(self.key)});"
                 if not self.is_keyed else "")
        return f"CREATE TABLE dbo.{self.name} ({', '.join(lines)});{index}"

    def literal(self, column, value):
        return "NULL" if value is None else TYPES[self.columns[column][1]][0](value)

    def shown(self, row, columns, left_out=()):
        result = {}
        for column in columns:
            kind = self.columns[column][1]
            value = row.get(column)
            result[column] = (None if value is None or column in left_out
                              else TYPES[kind][1](value))
        return result

    def where(self, key):
        return " AND ".join(f"{c} = {self.literal(c, v)}" for c, v in zip(self.key, key))

    def key_of(self, row):
        return tuple(row[c] for c in self.key)


def of(kind, more=""):
    return (kind + " " + more, kind)


TABLES = {t.name: t for t in (
    Table("customers", {
        "id": of("int", "NOT NULL"), "name": ("nvarchar(50) NOT NULL", "nvarchar"),
        "email": ("varchar(100) NULL", "varchar"), "balance": of("decimal(18,4)", "NOT NULL"),
        "active": of("bit", "NULL"), "updated_at": of("datetime2(7)", "NULL")},
        ["id"], lambda row: row["id"] // 10**6),
    Table("orders", {
        "id": of("bigint", "NOT NULL"), "customer": of("int", "NULL"),
        "placed_on": of("date", "NULL"), "total": of("money", "NULL"),
        "status": ("nvarchar(10) NULL", "nvarchar"), "note": ("nvarchar(40) NULL", "nvarchar")},
        ["id"], lambda row: row["id"] // 10**12),
    Table("order_lines", {
        "order_id": of("bigint", "NOT NULL"), "line": of("int", "NOT NULL"),
        "sku": ("varchar(12) NULL", "varchar"), "quantity": of("int", "NULL"),
        "price": of("decimal(12,2)", "NULL")},
        ["order_id", "line"], lambda row: row["order_id"] // 10**12),
    Table("documents", {
        "id": of("uniqueidentifier", "NOT NULL"), "title": ("nvarchar(80) NULL", "nvarchar"),
        "body": of("nvarchar(max)", "NULL"), "scan": of("varbinary(max)", "NULL")},
        ["id"], lambda row: int(row["id"][:8], 16) // 2**24),
    # No key: Debezium's records have none either.
    Table("readings", {
        "sensor": of("int", "NOT NULL"), "taken_at": of("datetime2(3)", "NOT NULL"),
        "value": of("float", "NULL"), "raw": of("binary(8)", "NULL")},
        ["sensor", "taken_at"], lambda row: row["sensor"] // 10**6, is_keyed=False),
)}
# A key's place in the index.
GROWS = {name: (lambda key: key[0].int % 2**48) if name == "documents" else (lambda key: key[0])
         for name in TABLES}
# Before ALTER TABLE.
FIRST_COLUMNS = {name: [c for c in table.columns if (name, c) != ("orders", "note")]
                 for name, table in TABLES.items()}
ALL_COLUMNS = {name: list(table.columns) for name, table in TABLES.items()}


def frozen(value):
    return None if value is None else tuple(sorted(value.items()))


class Writer:
    """Random transactions. `execute(sql)` runs one batch and returns (number, text) of its error,
    or None."""

    def __init__(self, number, seed):
        self.number = number
        self.random = random.Random(f"{seed}-{number}")
        self.rows = {name: {} for name in TABLES}
        self.expected = []  # a transaction: [(table, Counter of (operation, before, after))]
        self.committed_events = 0
        self.table_has = FIRST_COLUMNS  # columns the source tables have
        self.captured = FIRST_COLUMNS   # columns the stream shows
        self.last_key = 0
        self.deadlocks = 0
        self.groups, self.undo = [], []

    # Values.

    def text(self, length):
        letters = "abc xyz 0129 '\"|\\\t" + "\u0141\u00f8\u00df\u20ac\u4e2d\U0001f600"
        return "".join(self.random.choice(letters) for _ in range(self.random.randrange(length)))

    def value(self, table, column):
        r, kind = self.random, TABLES[table].columns[column][1]
        if kind in ("nvarchar", "varchar"):
            if column == "status":
                return r.choice(["new", "paid", "sent", "void"])
            if kind == "varchar":
                return r.choice([None, f"a{r.randrange(999)}@b.org"[:12]])
            return self.text(20)
        return {
            "int": lambda: r.choice([None, r.randrange(-2**31, 2**31)]),
            "bit": lambda: r.choice([None, False, True]),
            "float": lambda: r.choice([None, 0.1, -1e300, r.random() * 10**r.randrange(9)]),
            "decimal(18,4)": lambda: decimal.Decimal(r.randrange(-10**18 + 1, 10**18)).scaleb(-4),
            "decimal(12,2)": lambda: decimal.Decimal(r.randrange(-10**12 + 1, 10**12)).scaleb(-2),
            "money": lambda: decimal.Decimal(r.randrange(-2**63, 2**63)).scaleb(-4),
            "date": lambda: EPOCH + datetime.timedelta(days=r.randrange(-130000, 2900000)),
            "datetime2(7)": lambda: r.randrange(-(10**16), 9 * 10**16),
            "binary(8)": lambda: r.choice([None, r.randbytes(8)]),
            "varbinary(max)": lambda: r.choice([None, r.randbytes(r.randrange(200))]),
            "nvarchar(max)": lambda: r.choice([None, self.text(300)]),
        }[kind]()

    def new_row(self, table):
        self.last_key += 1
        number, key = self.number, self.last_key
        row = {
            "customers": lambda: {"id": number * 10**6 + key},
            "orders": lambda: {"id": number * 10**12 + key},
            "order_lines": lambda: {"order_id": number * 10**12 + key // 5, "line": key % 5},
            # Sorted by its last bytes first, so that keys grow here as well.
            "documents": lambda: {"id": uuid.UUID(int=(number << 120) | key | (
                self.random.getrandbits(64) << 48))},
            "readings": lambda: {"sensor": number * 10**6 + key // 50, "taken_at": 10**12 + key},
        }[table]()
        for column in self.table_has[table]:
            if column not in row:
                row[column] = self.value(table, column)
        if table == "customers" and row["name"] is None:
            row["name"] = ""
        return row

    # Statements: each returns SQL, changes the model and says which events it makes.

    def put(self, table, key, row):
        rows = self.rows[table]
        self.undo.append((table, key, rows.get(key)))
        if row is None:
            del rows[key]
        else:
            rows[key] = row

    def event(self, table, operation, before, after, left_out=()):
        columns = self.captured[table]
        show = TABLES[table].shown
        return (operation, frozen(before and show(before, columns, left_out)),
                frozen(after and show(after, columns, left_out)))

    def some_keys(self, table, most):
        keys = list(self.rows[table])
        if not keys:
            return []
        start = self.random.randrange(len(keys))
        return keys[start:start + self.random.randint(1, most)]

    def insert(self, table, count):
        columns = self.table_has[table]
        rows = [self.new_row(table) for _ in range(count)]
        for row in rows:
            self.put(table, TABLES[table].key_of(row), row)
        self.groups.append((table, Counter(self.event(table, "c", None, row) for row in rows)))
        values = ", ".join("(" + ", ".join(TABLES[table].literal(c, row[c]) for c in columns) + ")"
                           for row in rows)
        return f"INSERT INTO dbo.{table} ({', '.join(columns)}) VALUES {values}"

    def condition(self, table, keys):
        """Of several rows by a range of the index, and a filter on it."""
        t = TABLES[table]
        exact = " OR ".join("(" + t.where(key) + ")" for key in keys)
        if len(keys) == 1:
            return exact
        low, high = (t.literal(t.key[0], f(keys, key=lambda k: GROWS[table](k))[0])
                     for f in (min, max))
        return f"{t.key[0]} BETWEEN {low} AND {high} AND ({exact})"

    def delete(self, table):
        keys = self.some_keys(table, 8)
        if not keys:
            return self.insert(table, 3)
        events = Counter()
        for key in keys:
            events[self.event(table, "d", self.rows[table][key], None)] += 1
            self.put(table, key, None)
        self.groups.append((table, events))
        return f"DELETE FROM dbo.{table} WHERE {self.condition(table, keys)}"

    def update(self, table, most):
        """Sets some columns of some rows to the same values."""
        keys = self.some_keys(table, most)
        if not keys:
            return self.insert(table, 3)
        t = TABLES[table]
        free = [c for c in self.table_has[table] if c not in t.key]
        chosen = self.random.sample(free, self.random.randint(1, min(3, len(free))))
        values = {c: self.value(table, c) for c in chosen}
        if values.get("name", 0) is None:
            values["name"] = ""
        events = Counter()
        for key in keys:
            before = self.rows[table][key]
            after = {**before, **values}
            # What is not captured changes nothing, and what does not change is not logged.
            changed = {c for c in self.captured[table] if before.get(c) != after.get(c)}
            if changed:
                left_out = {c for c in self.captured[table]
                            if t.columns[c][1] in LARGE and c not in changed}
                events[self.event(table, "u", before, after, left_out)] += 1
            self.put(table, key, after)
        if events:
            self.groups.append((table, events))
        assignments = ", ".join(f"{c} = {t.literal(c, v)}" for c, v in values.items())
        return f"UPDATE dbo.{table} SET {assignments} WHERE {self.condition(table, keys)}"

    def move_lines(self):
        """A key change: rows go and come back under another key."""
        keys = self.some_keys("order_lines", 4)
        if not keys:
            return self.insert("order_lines", 5)
        step = 10 * self.random.randint(1, 9)
        rows = self.rows["order_lines"]
        moved = {(order, line + step) for order, line in keys}
        if moved & (set(rows) - set(keys)):
            return self.delete("order_lines")
        gone, come, after = Counter(), Counter(), []
        for key in keys:
            old = rows[key]
            new = {**old, "line": old["line"] + step}
            gone[self.event("order_lines", "d", old, None)] += 1
            come[self.event("order_lines", "c", None, new)] += 1
            after.append(new)
            self.put("order_lines", key, None)
        for new in after:
            self.put("order_lines", TABLES["order_lines"].key_of(new), new)
        self.groups += [("order_lines", gone), ("order_lines", come)]
        return (f"UPDATE dbo.order_lines SET line = line + {step} WHERE "
                + self.condition("order_lines", keys))

    def statement(self, is_big):
        table = self.random.choice(list(TABLES))
        choice = self.random.random()
        if is_big:
            return self.insert(table, self.random.randint(200, 600))
        if choice < 0.35:
            return self.insert(table, self.random.randint(1, 12))
        if choice < 0.8:
            return self.update(table, 12)
        return self.move_lines() if choice < 0.9 else self.delete(table)

    def transaction(self, execute):
        self.groups, self.undo = [], []
        is_big = self.random.random() < 0.01
        batch = ["BEGIN TRAN"]
        for _ in range(self.random.randint(1, 6)):
            batch.append(self.statement(is_big))
            if self.random.random() < 0.05:
                # Undone to a savepoint: nothing of it may arrive.
                marks = len(self.groups), len(self.undo)
                batch += ["SAVE TRAN s", self.statement(False), "ROLLBACK TRAN s"]
                del self.groups[marks[0]:]
                self.roll_back(marks[1])
        commits = self.random.random() < 0.95
        error = execute(";\n".join(batch + ["COMMIT" if commits else "ROLLBACK"]))
        if error is not None and error[0] != DEADLOCK:
            raise AssertionError(f"writer {self.number}: Msg {error[0]}: {error[1]}")
        if error is not None:
            self.deadlocks += 1  # Scans meet other writers' rows; the victim leaves nothing.
        if not commits or error is not None:
            self.roll_back(0)
        elif self.groups:
            self.expected.append(self.groups)
            self.committed_events += sum(sum(events.values()) for _, events in self.groups)

    def roll_back(self, mark):
        while len(self.undo) > mark:
            table, key, row = self.undo.pop()
            if row is None:
                self.rows[table].pop(key)
            else:
                self.rows[table][key] = row
