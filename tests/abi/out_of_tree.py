#!/usr/bin/env python3
"""Installs the tree, builds the example plugins outside of it, and runs them with what was installed.

usage: out_of_tree.py BUILD EXAMPLES CMAKE CC CXX
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import symbols

TICKS = 25


def run(*command, timeout=400, **options):
    print("$", " ".join(map(str, command)), flush=True)
    # A session of its own: whatever the command has started ends with it.
    process = subprocess.Popen(list(map(str, command)), text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise SystemExit(f"{output}\nnot done after {timeout} s: {command[0]}") from None
    if process.returncode != 0:
        raise SystemExit(f"{output}\nexit code {process.returncode}: {command[0]}")
    return output


def check(condition, what):
    if not condition:
        raise SystemExit(f"wrong: {what}")


def delivered(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def main():
    build, examples, cmake, cc, cxx = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="dstream-out-of-tree-") as folder:
        root = pathlib.Path(folder)
        prefix = root / "prefix"
        run(cmake, "--install", build, "--prefix", prefix)

        # A copy, so that nothing of the tree can be reached by a relative path.
        shutil.copytree(examples, root / "examples")
        plugins = root / "build"
        run(cmake, "-S", root / "examples", "-B", plugins, "-G", "Ninja",
            f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_COMPILER={cc}",
            f"-DCMAKE_CXX_COMPILER={cxx}", "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror",
            "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror")
        run(cmake, "--build", plugins)
        for file in (plugins / "tick.so", plugins / "lines.so"):
            check(not list(symbols.problems(file)), f"the symbols of {file.name}")
        run(cmake, "--install", plugins, "--prefix", root / "theirs")
        installed = sorted(each.name for each in root.glob("theirs/lib*/**/dstream/plugins/*.so"))
        check(installed == ["lines.so", "tick.so"], f"what the examples install: {installed}")

        dstream = prefix / "bin" / "dstream"
        environment = {"PATH": os.environ["PATH"], "HOME": str(root)}
        document = json.loads(run(dstream, "plugins", "inspect", plugins / "tick.so", "--json",
                                  env=environment))
        document = document.get("plugin", document)
        check("example-tick" in json.dumps(document), "what plugins inspect says of tick.so")
        listed = run(dstream, "plugins", "list", "--json", env=environment)
        check("generator" in listed, "plugins list does not find the installed plugins")

        command = [dstream, "run", root / "examples" / "ticks.yaml", "--plugin-dir", plugins,
                   "--state-dir", root / "state"]
        print(run(*command, cwd=root, env=environment, timeout=120))
        messages = delivered(root / "ticks.jsonl")
        check([each["after"]["n"] for each in messages] == list(range(1, TICKS + 1)),
              f"the ticks that arrived: {messages}")
        check(all(each["op"] == "insert" and each["table"] == "ticks" for each in messages),
              f"the messages: {messages[0]}")

        # A second run goes on at the checkpoint: there is nothing left to count.
        run(*command, cwd=root, env=environment, timeout=120)
        check(len(delivered(root / "ticks.jsonl")) == TICKS, "the second run sent something again")
    print("The examples build and run outside the tree.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
