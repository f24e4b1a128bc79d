#!/usr/bin/env python3
"""Writes the layout lock of dstream/abi.h: the size of every struct, the offset of every field, the
value of every enumerator and limit, as static assertions.

usage: layout.py HEADER C_COMPILER            prints the lock of the header as it is now
       layout.py HEADER C_COMPILER LOCK       exit 1 if the header has anything LOCK does not lock

A lock is written once for each minor version, when it is released, and never edited afterwards.
"""

import pathlib
import re
import subprocess
import sys
import tempfile


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


# What abi.h allows to gain fields at the end: an older lock holds for the part it knows.
GROWING = ("dstream_column", "dstream_schema", "dstream_record", "dstream_batch", "dstream_message",
           "dstream_delivery")


def fields_of(body):
    """(name, declaration) of each field; those of inner structs and unions with their path."""
    fields = []
    at = 0
    while at < len(body):
        inner = re.match(r"\s*(?:struct|union)\s*\{", body[at:])
        if inner:
            depth, end = 1, at + inner.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(body[end], 0)
                end += 1
            name = re.match(r"\s*(\w+)\s*;", body[end:])
            fields.append((name.group(1), "..."))
            fields += [(f"{name.group(1)}.{each}", declaration)
                       for each, declaration in fields_of(body[at + inner.end():end - 1])]
            at = end + name.end()
            continue
        end = body.find(";", at)
        if end < 0:
            break
        declaration = re.sub(r"\s*(\*+)\s*", r"\1 ", " ".join(body[at:end].split()))
        declaration = declaration.replace("(* ", "(*").replace(")DSTREAM_", ") DSTREAM_")
        function = re.search(r"\(\s*\*\s*(\w+)\s*\)", declaration)
        plain = re.search(r"(\w+)\s*(?:\[\w*\])?\s*$", declaration)
        fields.append(((function or plain).group(1), declaration))
        at = end + 1
    return fields


def structs(text):
    for match in re.finditer(r"typedef\s+struct\s+(\w+)\s*\{", text):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield match.group(1), fields_of(text[match.end():end - 1])


def enumerators(text):
    for match in re.finditer(r"\benum\s*\{(.*?)\}", text, flags=re.S):
        for each in match.group(1).split(","):
            if each.strip():
                yield each.split("=")[0].strip()


def measure(header, compiler, expressions):
    """The values of C expressions, as the compiler sees them."""
    prints = "\n".join(f'  printf("%lld\\n", (long long)({each}));' for each in expressions)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "measure.c")
        source.write_text(f'#include <stdio.h>\n#include "{header}"\n'
                          f"int main(void) {{\n{prints}\n  return 0;\n}}\n")
        program = pathlib.Path(folder, "measure")
        subprocess.run([compiler, "-std=c11", "-o", program, source], check=True)
        run = subprocess.run([program], check=True, capture_output=True, text=True)
        return run.stdout.split()


def lock(header, compiler):
    text = without_comments(header.read_text(encoding="utf-8"))
    entries = []  # (macro, expression, declaration)
    for name, fields in structs(text):
        entries.append(("AT_LEAST" if name in GROWING else "EXACTLY", f"sizeof({name})", ""))
        for field, declaration in fields:
            entries.append(("EXACTLY", f"offsetof({name}, {field})", f"  // {declaration}"))
    limits = re.findall(r"#define (DSTREAM_(?:MAX_\w+|MAGIC|ABI_MAJOR))", text)
    entries += [("EXACTLY", name, "") for name in [*enumerators(text), *limits]]
    values = measure(header.resolve(), compiler, [expression for _, expression, _ in entries])
    return [f"DSTREAM_LOCK_{macro}({expression}, {value});{declaration}"
            for (macro, expression, declaration), value in zip(entries, values)]


def main():
    header, compiler = pathlib.Path(sys.argv[1]), sys.argv[2]
    lines = lock(header, compiler)
    if len(sys.argv) == 3:
        print("\n".join(lines))
        return 0
    locked = set(pathlib.Path(sys.argv[3]).read_text(encoding="utf-8").splitlines())
    missing = [line for line in lines if line not in locked]
    for line in missing:
        print(f"not locked, or changed: {line}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
