#!/usr/bin/env python3
"""Debezium's SQL Server connector, unchanged, against dstream-sqlserver.

usage: debezium_test.py DSTREAM_SQLSERVER [--seed N] [--changes N] [--keep]

Snapshots five tables, then streams 100,000 changes that three writers commit at random. On the way
the connector is stopped and started, a column is added with a second capture instance as
Debezium's documentation has it, the first instance is dropped, and the connector is killed. What
arrived is compared with what was committed: every transaction whole, in commit order, with every
value; nothing twice but what the connector had delivered and not yet written to its offset file.
"""
import collections
import json
import re
import sys
import threading
import time

sys.dont_write_bytecode = True  # the tree stays as it is
import shop  # noqa: E402
from children import (  # noqa: E402
    Child, Server, Sql, WAIT_S, in_folder, properties, run_parser)

SNAPSHOT_ROWS = 400  # a table


class Connector(Child):
    def __init__(self, name, java, properties, folder):
        self.changes, self.state = [], None
        file = folder / f"{name}.properties"
        file.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        super().__init__(name, java + ["Client", "stream", str(file)], folder)
        self.wait_for("the start of streaming", lambda: self.state == "running")

    def take(self, line):
        kind, _, text = line.partition("\t")
        if kind == "change":
            change = json.loads(text)
            if "op" in change:  # else a heartbeat: it moves the saved offset in quiet times
                self.changes.append(change)
        else:
            self.state = text.partition("\t")[0]
            self.ended = self.ended or self.state == "failed"

    def wait_for_changes(self, count):
        self.wait_for(f"change {count}, had {len(self.changes)}",
                      lambda: len(self.changes) >= count)


class Writers:
    """Threads that commit until told to pause."""

    def __init__(self, sql, seed):
        self.sql = sql
        self.writers = [shop.Writer(i, seed) for i in range(shop.WRITERS)]
        self.failure = None

    def total(self):
        return sum(writer.committed_events for writer in self.writers)

    def run_until(self, total):
        """In threads of their own; join() what is returned."""
        def work(writer):
            try:
                while self.total() < total and self.failure is None:
                    writer.transaction(lambda batch: self.sql.error(writer.number, batch))
            except Exception as error:  # seen by join()
                self.failure = error
                print(f"a writer failed: {error}", flush=True)
                Child.give_up()  # Nobody has to wait for changes that will not come.
        threads = [threading.Thread(target=work, args=(w,), daemon=True) for w in self.writers]
        for thread in threads:
            thread.start()
        return threads

    def join(self, threads):
        for thread in threads:
            thread.join(WAIT_S)
            if thread.is_alive():
                raise AssertionError("a writer hangs")
        if self.failure is not None:
            raise self.failure


def identity(change):
    source = change["source"]
    return (source["commit_lsn"], source["change_lsn"], source["event_serial_no"],
            source["table"], change["op"])


def saved_position(folder):
    """(commit_lsn, change_lsn, event_serial_no) from the offset file, which Java serialized."""
    text = (folder / "offsets").read_bytes().decode("latin-1")
    values = dict(re.findall(r'"(commit_lsn|change_lsn)":"([0-9a-f:]+)"', text))
    serial = re.search(r'"event_serial_no":(\d+)', text)
    return (values.get("commit_lsn"), values.get("change_lsn"),
            int(serial.group(1)) if serial else None)


def join_runs(before, after, position):
    """One stream of two. Returns it and how many changes came twice."""
    places = {identity(change): i for i, change in enumerate(before)}
    start = places.get(identity(after[0]), len(before))
    repeated = len(before) - start
    for old, new in zip(before[start:], after):
        if identity(old) != identity(new):
            raise AssertionError(f"the repeat differs: {identity(old)} then {identity(new)}")
    saved = [i for i, change in enumerate(before)
             if identity(change)[:3] == position]
    if repeated and saved and start <= saved[-1]:
        raise AssertionError(f"{saved[-1] - start + 1} changes before the saved offset came twice")
    return before[:start] + after, repeated


def check_stream(changes, writers):
    """Every transaction of every writer, whole, once, in commit order, with its values."""
    by_commit = collections.OrderedDict()
    last = ""
    for change in changes:
        commit = change["source"]["commit_lsn"]
        if commit != last and commit in by_commit:
            raise AssertionError(f"transaction {commit} is torn apart")
        if commit < last:
            raise AssertionError(f"{commit} came after {last}")
        by_commit.setdefault(commit, collections.defaultdict(list))
        by_commit[commit][change["source"]["table"]].append(change)
        last = commit
    next_of = [0] * len(writers)
    for commit, tables in by_commit.items():
        first = next(iter(tables.values()))[0]
        owner = shop.TABLES[first["source"]["table"]].writer_of(first["after"] or first["before"])
        if next_of[owner] == len(writers[owner].expected):
            raise AssertionError(f"{commit}: more transactions than writer {owner} committed")
        check_transaction(commit, tables, writers[owner].expected[next_of[owner]])
        next_of[owner] += 1
    for writer, count in zip(writers, next_of):
        if count != len(writer.expected):
            raise AssertionError(f"{len(writer.expected) - count} transactions of writer "
                                 f"{writer.number} are missing")
    return len(by_commit)


def difference(expected, got):
    lines = ["missing:"] + [str(event) for event in list((expected - got).elements())[:2]]
    return "\n".join(lines + ["not expected:"]
                     + [str(event) for event in list((got - expected).elements())[:2]])


def check_transaction(commit, tables, groups):
    """Statement by statement; the rows of one statement may come in any order."""
    places = collections.Counter()
    for table, expected in groups:
        count = sum(expected.values())
        arrived = tables.get(table, [])[places[table]:places[table] + count]
        got = collections.Counter(
            (c["op"], shop.frozen(c["before"]), shop.frozen(c["after"])) for c in arrived)
        if got != expected:
            raise AssertionError(f"{commit} {table}: " + difference(expected, got))
        places[table] += count
    for table, arrived in tables.items():
        if len(arrived) != places[table]:
            raise AssertionError(f"{commit} {table}: {len(arrived)} changes, "
                                 f"{places[table]} committed")


def check_snapshot(changes, writers):
    expected, got = collections.Counter(), collections.Counter()
    for writer in writers:
        for table, rows in writer.rows.items():
            for row in rows.values():
                shown = shop.TABLES[table].shown(row, shop.FIRST_COLUMNS[table])
                expected[(table, shop.frozen(shown))] += 1
    for change in changes:
        got[(change["source"]["table"], shop.frozen(change["after"]))] += 1
    if got != expected:
        raise AssertionError("snapshot: " + difference(expected, got))


def check_tables(sql, writers):
    """The model against the tables themselves."""
    for table in shop.TABLES:
        rows = int(sql.ok(shop.WRITERS, f"SELECT COUNT(*) FROM dbo.{table}")[0][0])
        model = sum(len(writer.rows[table]) for writer in writers)
        if rows != model:
            raise AssertionError(f"{table} has {rows} rows, the model {model}")


ENABLE = ("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{0}', "
          "@role_name = NULL, @supports_net_changes = 0, @capture_instance = N'{1}'")


class Run:
    def __init__(self, arguments, folder, java):
        self.folder, self.java, self.changes_wanted = folder, java, arguments.changes
        script = folder / "shop.sql"
        script.write_text("\n".join(t.create() for t in shop.TABLES.values())
                          .replace(", note nvarchar(40) NULL", "")
                          + "\nGO\nEXEC sys.sp_cdc_enable_db;\nGO\n")
        self.server = Server(arguments.program, str(script), folder)
        self.sql = Sql(java, self.server.port, shop.WRITERS + 1, folder)
        self.writers = Writers(self.sql, arguments.seed)
        self.boss = shop.WRITERS  # the connection for everything but the writers' changes
        self.started = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    def connector(self, name, **more):
        return Connector(name, self.java, properties(self.server.port, self.folder, **more),
                         self.folder)

    def fill_tables(self):
        for writer in self.writers.writers:
            for table in shop.TABLES:
                for _ in range(SNAPSHOT_ROWS // shop.WRITERS // 50 + 1):
                    self.sql.ok(writer.number, writer.insert(table, 50))
            writer.groups, writer.undo = [], []
        for table in shop.TABLES:
            self.sql.ok(self.boss, ENABLE.format(table, f"dbo_{table}"))

    def add_column(self):
        """Online, as Debezium's documentation has it: the column, then a second instance."""
        self.sql.ok(self.boss, "ALTER TABLE dbo.orders ADD note nvarchar(40) NULL")
        for writer in self.writers.writers:
            writer.table_has = shop.ALL_COLUMNS
            for row in writer.rows["orders"].values():
                row["note"] = None
        # Until the second instance is there, the new column's values are not captured.
        self.writers.join(self.writers.run_until(self.writers.total() + self.changes_wanted // 20))
        self.sql.ok(self.boss, ENABLE.format("orders", "dbo_orders_v2"))
        for writer in self.writers.writers:
            writer.captured = shop.ALL_COLUMNS
        self.sql.ok(self.boss, "EXEC dstream.capture_scan_all")
        lsn = self.sql.ok(self.boss, "SELECT start_lsn FROM cdc.change_tables WHERE "
                                     "capture_instance = N'dbo_orders_v2'")[0][0].lower()
        return f"{lsn[:8]}:{lsn[8:16]}:{lsn[16:]}"

    def stream(self):
        n, writers = self.changes_wanted, self.writers
        first = self.connector("first")
        snapshot = sum(len(rows) for w in writers.writers for rows in w.rows.values())
        first.wait_for_changes(snapshot)
        check_snapshot(first.changes, writers.writers)
        self.say(f"snapshot of {snapshot} rows")

        threads = writers.run_until(n * 4 // 10)
        first.wait_for_changes(snapshot + n // 5)
        first.end()
        streamed = first.changes[snapshot:]
        self.say(f"stopped after {len(streamed)} changes")

        second = self.connector("second", **{"database.encrypt": "true",
                                             "database.trustServerCertificate": "true"})
        writers.join(threads)
        boundary = self.add_column()
        self.say(f"second instance after {writers.total()} committed changes")
        threads = writers.run_until(n)
        second.wait_for("a saved offset behind the second instance",
                        lambda: (saved_position(self.folder)[0] or "") > boundary)
        self.sql.ok(self.boss, "EXEC sys.sp_cdc_disable_table N'dbo', N'orders', N'dbo_orders'")
        second.wait_for_changes(n // 2)
        second.end("kill")
        position = saved_position(self.folder)
        self.say(f"first instance dropped; killed after {len(second.changes)} more changes")

        third = self.connector("third", **{"data.query.mode": "function"})
        writers.join(threads)
        self.finish(third)
        joined, repeated = join_runs(streamed, second.changes, None)
        if repeated:
            raise AssertionError(f"{repeated} changes came twice over an orderly stop")
        joined, repeated = join_runs(joined, third.changes, position)
        self.say(f"{repeated} changes repeated after the kill, all behind the saved offset")
        return joined

    def finish(self, connector):
        """The stream is in commit order: behind the last change there is nothing to wait for."""
        writer = self.writers.writers[0]
        batch = "INSERT INTO dbo.readings VALUES (0, '2001-01-01', 1, NULL)"
        self.sql.ok(self.boss, batch)
        connector.wait_for("the last change", lambda: connector.changes and (
            connector.changes[-1]["after"] or {}).get("taken_at") == 978307200000)
        row = {"sensor": 0, "taken_at": 978307200000, "value": 1.0, "raw": None}
        writer.rows["readings"][(0, 978307200000)] = row
        writer.expected.append([("readings", collections.Counter(
            [writer.event("readings", "c", None, row)]))])
        code = connector.end()
        if code != 0:
            raise AssertionError(f"{connector.name} ended with {code}")

    def run(self):
        self.fill_tables()
        changes = self.stream()
        transactions = check_stream(changes, self.writers.writers)
        check_tables(self.sql, self.writers.writers)
        self.sql.end()
        deadlocks = sum(writer.deadlocks for writer in self.writers.writers)
        self.say(f"{len(changes)} changes of {transactions} transactions compared; "
                 f"{deadlocks} deadlock victims left nothing")
        problems = self.server.not_understood()
        if problems:
            raise AssertionError("dstream-sqlserver did not understand:\n" + "\n".join(problems))

    def stop(self):
        self.server.process.terminate()
        self.server.process.wait(30)


def main():
    parser = run_parser(__doc__)
    parser.add_argument("program")
    parser.add_argument("--changes", type=int, default=100_000)
    arguments = parser.parse_args()
    in_folder("debezium-test-", arguments, Run)
    print("passed", flush=True)


if __name__ == "__main__":
    main()
