#!/usr/bin/env python3
"""Runs SQL Server clients that nobody here wrote against dstream-sqlserver, case by case.

usage: run_clients.py [--build FOLDER] [--only CLIENT]... [--update]

What is missing is fetched with the clients' own package managers into the user's cache
(~/.cache/dstream/clients) and built there. Prints the table client x case. Exit code 0: every
answer is right, every limit of a client that clients.py names is still one, and the table is what
README.md of the stand-in says; --update writes that table instead of comparing.
"""

import argparse
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import cases
import clients

README = clients.HERE.parent / "README.md"
BEGIN = "<!-- clients: made by clients/run_clients.py --update -->"
END = "<!-- clients: end -->"
START_SECONDS_MAX = 30


def say(text):
    print(f"==> {text}", flush=True)


class StandIn:
    """dstream-sqlserver with the script of cases.py, for one client."""

    def __init__(self, program, folder):
        self.folder = pathlib.Path(folder)
        self.program = program
        self.certificate = self.folder / "certificate.pem"
        self.types_file = self.folder / "types.tsv"
        self.port = 0
        self.process = None
        self.log = open(self.folder / "server.log", "w+", encoding="utf-8")
        (self.folder / "script.sql").write_text(cases.script(), encoding="utf-8")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.folder / "key.pem", "-out", self.certificate],
            check=True, capture_output=True)

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--port", "0", "--database", cases.DATABASE, "--password",
             cases.PASSWORD, "--script", self.folder / "script.sql", "--certificate",
             self.certificate, "--key", self.folder / "key.pem"],
            stdout=subprocess.PIPE, stderr=self.log, encoding="utf-8")
        line = self.process.stdout.readline()  # it says where it listens, or ends
        if not line.startswith("listening"):
            raise RuntimeError("dstream-sqlserver did not start: " + self.said())
        self.port = int(line.split()[1].rsplit(":", 1)[1])

    def arguments(self):
        return [self.port, self.certificate, self.types_file]

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-3000:]

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                code = self.process.wait(START_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                code = "no end"
            if code != 0:
                raise RuntimeError(f"dstream-sqlserver ended with {code}: {self.said()}")


def answers_of(client, folder, program):
    """What the client's program printed: case -> line, and what else it said."""
    with tempfile.TemporaryDirectory(prefix="dstream-clients-") as temporary:
        server = StandIn(program, temporary)
        server.types_file.write_text(cases.types_file(client.types_left_out()), encoding="utf-8")
        try:
            server.start()
            command, environment = client.command(folder, server)
            said = pathlib.Path(temporary) / "client.log"
            with open(said, "wb") as log:
                process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE,
                                           stderr=log, stdin=subprocess.DEVNULL, cwd=temporary,
                                           env={**os.environ, **environment})
                ended = ""
                try:
                    output, _ = process.communicate(timeout=clients.RUN_SECONDS_MAX)
                    if process.returncode != 0:
                        ended = f"it ended with {process.returncode}\n"
                except subprocess.TimeoutExpired:
                    process.kill()
                    output, _ = process.communicate()
                    ended = f"it did not end within {clients.RUN_SECONDS_MAX} s\n"
            lines = {}
            for line in output.decode("utf-8", "replace").splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    answer = json.loads(line)
                    lines[answer["case"]] = answer
            return lines, ended + (said.read_text("utf-8", "replace") if ended else "")
        finally:
            server.stop()


def short(text):
    return text if len(text) < 160 else f"{text[:150]}... ({len(text)} characters)"


def cell_of(client, name, answer, footnotes):
    """(text of the table's cell, sentences about what is wrong)."""
    limits = [limit for limit in client.limits if name in limit.names]
    marks = "".join(footnotes[limit] for limit in limits)
    whole = [limit for limit in limits if not limit.keys]
    if whole:
        wrong = [f"it has an answer, though: {whole[0].reason}"] if answer else []
        return f"client {marks}", wrong
    if answer is None:
        return "FAILED", ["no answer"]
    wrong = [answer["error"]] if "error" in answer else []
    unused = {(limit, key) for limit in limits for key in limit.keys}
    expected = {**cases.CASES[name], **client.expected.get(name, {})}
    compares_types = name in ("read", "parameters", "prepared")
    client_types = set()
    for key, text in expected.items():
        got = answer["values"].get(key)
        kind = cases.KINDS[key.split(".")[0]] if compares_types else ""
        covering = {(limit, key_or_type) for limit in limits
                    for key_or_type in (key, key.split(".")[0]) if key_or_type in limit.keys}
        if got is not None and cases.same(kind, text, got):
            continue
        if covering:
            unused -= covering
            client_types.add(key.split(".")[0])
        else:
            wrong.append(f"{key}: expected {short(text)!r}, got {short(str(got))!r}")
    wrong += [f"{key}: no longer a limit: {limit.reason}" for limit, key in unused]
    wrong += [f"{key}: not asked for" for key in answer["values"] if key not in expected]
    if wrong:
        return "FAILED", wrong
    if not compares_types:
        return (f"client {marks}" if limits else "ok"), []
    exact = f"ok, {len(cases.TYPES) - len(client_types)} types"
    return exact + (f"; client, {len(client_types)} {marks}" if client_types else ""), []


def read_table():
    """Columns of README's table: title -> case -> cell. Empty without a table."""
    text = README.read_text(encoding="utf-8")
    if BEGIN not in text:
        return {}
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")]
            for line in text.split(BEGIN)[1].split(END)[0].splitlines() if line.startswith("|")]
    if not rows:
        return {}
    return {title: {row[0]: row[column] for row in rows[2:]}
            for column, title in enumerate(rows[0]) if column > 0}


def table_text(columns, notes):
    lines = ["| case | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in cases.CASES:
        lines.append(f"| {name} | " + " | ".join(c.get(name, "not run") for c in columns.values())
                     + " |")
    return "\n".join(lines + [""] + notes) + "\n"


def write_table(text):
    readme = README.read_text(encoding="utf-8")
    if BEGIN not in readme:
        readme += f"\n## Other people's clients\n\n{BEGIN}\n{END}\n"
    before, rest = readme.split(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")


def footnotes_of(everyone):
    """limit -> mark, and the lines that explain the marks."""
    marks, lines = {}, []
    for client in everyone:
        for limit in client.limits:
            marks[limit] = f"({len(marks) + 1})"
            which = f" ({', '.join(limit.keys)})" if limit.keys else ""
            lines.append(f"{len(marks)}. {client.title}: {limit.reason[:-1]}{which}.")
    return marks, lines


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default=clients.HERE.parents[3] / "build/dev",
                        type=lambda text: pathlib.Path(text).resolve(),
                        help="where dstream-sqlserver and standin-odbc-client were built")
    parser.add_argument("--only", action="append", default=[], help="a client; may be repeated")
    parser.add_argument("--update", action="store_true", help="write the table into README.md")
    return parser.parse_args(arguments)


def fetch_all(chosen):
    """client -> folder or the exception that fetching it ended in."""
    cache = clients.cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            running = {client: pool.submit(clients.fetched, client, say) for client in chosen}
            return {client: future.exception() or future.result()
                    for client, future in running.items()}


def column_of(client, folder, program, footnotes):
    """The client's cells, and whether all is as it should be."""
    began = time.monotonic()
    try:
        if isinstance(folder, BaseException):
            raise folder
        answers, said = answers_of(client, folder, program)
    except Exception as error:  # whatever it was, the other clients still run
        print(f"{client.title}: {error}", flush=True)
        return {name: "FAILED" for name in cases.CASES}, False
    column, good = {}, not said
    for name in cases.CASES:
        column[name], wrong = cell_of(client, name, answers.get(name), footnotes)
        good = good and not wrong
        for sentence in wrong[:20]:
            print(f"{client.title}: {name}: {sentence}", flush=True)
    if said:
        print(f"{client.title}: {said}", flush=True)
    say(f"{client.title}: {'as expected' if good else 'FAILED'}, "
        f"{time.monotonic() - began:.1f} s")
    return column, good


def main():
    options = options_of(sys.argv[1:])
    folder = options.build / "tests/standins/sqlserver"
    everyone = clients.all_clients(folder / "clients/standin-odbc-client")
    names = [client.name for client in everyone]
    if not set(options.only) <= set(names):
        sys.exit(f"run_clients.py: the clients are {', '.join(names)}")
    footnotes, notes = footnotes_of(everyone)
    recorded = read_table()
    chosen = []
    for client in everyone:
        if options.only and client.name not in options.only:
            continue
        if client.why_not():
            say(f"{client.title}: not run: {client.why_not()}")
        else:
            chosen.append(client)
    folders = fetch_all(chosen)
    good = True
    columns = {client.title: recorded.get(client.title, {}) for client in everyone}
    for client in chosen:
        column, is_good = column_of(client, folders[client], folder / "program/dstream-sqlserver",
                                    footnotes)
        columns[client.title], good = column, good and is_good
    text = table_text(columns, notes)
    print(text)
    if options.update:
        if good:
            write_table(text)
    elif f"{BEGIN}\n{text}{END}" not in README.read_text(encoding="utf-8"):
        print(f"The table in {README} says something else; run_clients.py --update writes it.")
        good = False
    say("All clients as expected" if good else "Not as expected")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
