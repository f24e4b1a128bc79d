"""What the tests with Debezium start, and how they start and end: the stand-in, JDBC, a folder."""
import argparse
import json
import os
import queue
import random
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).parent
WAIT_S = 60  # for anything; then the test fails with what it waited for
PASSWORD = "Secret-1"


class Child:
    """A process whose output is taken line by line."""

    alive = []

    @staticmethod
    def give_up():
        for child in Child.alive:
            with child.changed:
                child.ended = True
                child.changed.notify_all()

    def __init__(self, name, command, folder):
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, encoding="utf-8", errors="strict")
        self.changed = threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        Child.alive.append(self)

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                if line.endswith("\n"):  # else it was killed while it wrote
                    self.take(line[:-1])
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def take(self, line):
        raise NotImplementedError

    def wait_for(self, what, condition):
        with self.changed:
            if not self.changed.wait_for(lambda: condition() or self.ended, WAIT_S):
                raise AssertionError(f"{self.name}: waited {WAIT_S} s for {what}, see {self.log}")
            if not condition():
                raise AssertionError(f"{self.name} ended before {what}, see {self.log}")

    def end(self, signal=None):
        if signal == "kill":
            self.process.kill()
        else:
            self.process.stdin.close()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.name} did not end") from None
        self.thread.join(10)
        return code


class Server(Child):
    def __init__(self, program, script, folder):
        self.port = 0
        super().__init__("sqlserver", [program, "--port", "0", "--database", "shop", "--script",
                                       script, "--capture-interval", "50"], folder)
        self.wait_for("its port", lambda: self.port)

    def take(self, line):
        found = re.match(r"listening \S+:(\d+) ", line)
        self.port = int(found.group(1)) if found else self.port

    def not_understood(self):
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if "a test double of SQL Server" not in line]


class Sql(Child):
    """JDBC connections that work side by side."""

    def __init__(self, java, port, connections, folder):
        self.answers = [queue.Queue() for _ in range(connections)]
        self.is_ready = False
        url = (f"jdbc:sqlserver://127.0.0.1:{port};databaseName=shop;user=sa;"
               f"password={PASSWORD};encrypt=false")
        super().__init__("sql", java + ["Client", "sql", url, str(connections)], folder)
        self.lock = threading.Lock()
        self.wait_for("its connections", lambda: self.is_ready)

    def take(self, line):
        answer = json.loads(line)
        self.is_ready = self.is_ready or "ready" in answer
        if "connection" in answer:
            self.answers[answer["connection"]].put(answer)

    def run(self, connection, sql):
        with self.lock:
            self.process.stdin.write(json.dumps({"connection": connection, "sql": sql}) + "\n")
            self.process.stdin.flush()
        return self.answers[connection].get(timeout=WAIT_S)

    def error(self, connection, sql):
        answer = self.run(connection, sql)
        return (answer["error"], answer["text"]) if "error" in answer else None

    def ok(self, connection, sql):
        answer = self.run(connection, sql)
        if "error" in answer:
            raise AssertionError(f"{sql}: Msg {answer['error']}: {answer['text']}")
        return answer.get("rows", [])


def properties(port, folder, **more):
    return {
        "name": "shop",
        "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": folder / "offsets",
        "offset.flush.interval.ms": 1000,
        "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
        "schema.history.internal.file.filename": folder / "history",
        "database.hostname": "127.0.0.1", "database.port": port, "database.user": "sa",
        "database.password": PASSWORD, "database.names": "shop", "topic.prefix": "shop",
        "database.encrypt": "false", "poll.interval.ms": 50,
        "heartbeat.interval.ms": 200, "tombstones.on.delete": "false",
        "include.schema.changes": "false",
        "decimal.handling.mode": "string", "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false", **more,
    }


def java_command(folder):
    libs = subprocess.run([HERE / "fetch-debezium.sh"], check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout.strip()
    subprocess.run(["javac", "-d", str(folder), "-cp", f"{libs}/*", str(HERE / "Client.java")],
                   check=True)
    return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlogback.configurationFile={HERE / 'logback.xml'}", "-cp", f"{folder}:{libs}/*"]


def run_parser(description):
    """What both tests take: a seed to repeat, and whether the logs stay."""
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("DSTREAM_MODEL_SEED", random.randrange(2**32))))
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser


def in_folder(prefix, arguments, make_run):
    """make_run(arguments, folder, java).run(), and .stop() in any case. A folder of its own is
    kept if that fails."""
    print(f"seed {arguments.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    passed = False
    try:
        run = make_run(arguments, folder, java_command(folder))
        try:
            run.run()
            passed = True
        finally:
            run.stop()
    finally:
        if passed and not arguments.keep:
            shutil.rmtree(folder)
        else:
            print(f"logs are in {folder}", flush=True)
