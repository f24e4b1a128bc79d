#!/usr/bin/env python3
"""Checks what plugin libraries show to the dynamic linker.

usage: symbols.py FOLDER-OR-FILE ...

Each must define dstream_plugin_v1 and nothing else, no unique symbols (they would tie copies of one
library together), no text relocations, and no search path outside its own folder.
"""

import pathlib
import re
import subprocess
import sys


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def problems(file):
    defined = [line.split()[-2:] for line in output("nm", "-D", "--defined-only", file).splitlines()]
    names = [name for _, name in defined]
    if names != ["dstream_plugin_v1"]:
        yield f"defines {', '.join(names) or 'nothing'}"
    if any(kind == "u" for kind, _ in defined):
        yield "defines a unique symbol"
    dynamic = output("readelf", "-dW", file)
    for path in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", dynamic):
        if any(part and not part.startswith("$ORIGIN") for part in path.split(":")):
            yield f"looks for libraries in {path}"
    if "TEXTREL" in dynamic:
        yield "has text relocations"


def main():
    files = []
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        files += sorted(path.glob("*.so")) if path.is_dir() else [path]
    broken = [f"{file}: {problem}" for file in files for problem in problems(file)]
    if not files:
        broken.append("no plugin was found: build them first")
    print("\n".join(broken) or f"{len(files)} plugins show dstream_plugin_v1 alone")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
