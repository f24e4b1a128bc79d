#!/usr/bin/env python3
"""Rules of the tree that no compiler checks. Prints file:line and the rule; exit 1 if any broke.

usage: tidy.py ROOT
"""

import pathlib
import re
import subprocess
import sys

LINE_LENGTH_MAX = 100
FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70

CODE = (".cc", ".h", ".hpp", ".c")
SCRIPTS = (".sh", ".py", ".cmake")

# (where it applies, pattern, what to do instead)
BANNED = [
    (r"^core/", r"\bstd::c(out|err)\b", "log through core/base/log.h"),
    (r"^(core|sdk|plugins)/", r"\bstrerror\(", "use std::error_code or strerror_r"),
    (r"(_test\.cc|^tests/)", r"\b(sleep_for|usleep|sleep_until)\b", "wait for the event"),
    (r"^core/pipeline/(?!threads)", r"\b(sleep_for|rand\(\)|system_clock::now)", "time and chance come in"),
    (r"^plugins/", r'#include "core/', "plugins see the SDK only"),
    (r"", r"\b(FIXME|XXX|HACK)\b", "finish it or take it out"),
    (r"", r"\bTODO\b", "finish it or take it out"),
]


def files_of(root):
    """Files of the tree, also those that are not added yet."""
    command = ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True)
    return [n for n in names.stdout.splitlines() if (pathlib.Path(root) / n).is_file()]


def long_functions(lines):
    """Yields (line, length) of function bodies over the limit.

    The tree's format puts a function's closing brace where its first line began, at most one
    namespace or class deep, and that is all this relies on.
    """
    opening = re.compile(r"^( {0,2})(?! )[^#/}\s].*\)( const)?( noexcept)?( override)?( final)?( ->.*)? \{$")
    tail = re.compile(r"^ {4,}.*\)( const)?( noexcept)?( override)?( -> [^{]*)? \{$")
    start = indent = None
    for number, line in enumerate(lines, 1):
        if start is None:
            head = opening.match(line)
            if head and not line.lstrip().startswith(("if ", "for ", "while ", "switch ", "namespace",
                                                       "TEST", "}", "class ", "struct ")):
                start, indent = number, head.group(1)
            elif tail.match(line) and number > 1:
                back = number - 1
                while back > 0 and lines[back - 1].startswith("    "):
                    back -= 1
                first = lines[back - 1]
                if re.match(r"^( {0,2})[A-Za-z]", first) and "(" in first and not first.lstrip().startswith(
                        ("if ", "for ", "while ", "switch ", "TEST", "return", "class ", "struct ")):
                    start, indent = back, re.match(r"^( *)", first).group(1)
        elif line.rstrip() in (indent + "}", indent + "};"):
            if number - start + 1 > FUNCTION_LINES_MAX:
                yield start, number - start + 1
            start = None


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    broken = []
    for name in files_of(root):
        path = pathlib.Path(root) / name
        if path.suffix not in CODE + SCRIPTS and path.name not in ("CMakeLists.txt", "dev", "run"):
            continue
        if name == "tests/tidy/tidy.py":
            continue
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        if len(lines) > FILE_LINES_MAX:
            broken.append(f"{name}:1: {len(lines)} lines, at most {FILE_LINES_MAX}")
        if text and not text.endswith("\n"):
            broken.append(f"{name}:{len(lines)}: no end of line at the end of the file")
        for number, line in enumerate(lines, 1):
            if path.suffix in CODE and len(line) > LINE_LENGTH_MAX:
                broken.append(f"{name}:{number}: {len(line)} columns, at most {LINE_LENGTH_MAX}")
            if line != line.rstrip():
                broken.append(f"{name}:{number}: blanks at the end of the line")
            for where, pattern, instead in BANNED:
                if re.search(where, name) and re.search(pattern, line):
                    broken.append(f"{name}:{number}: {line.strip()[:60]!r}: {instead}")
        if path.suffix in (".cc", ".h", ".hpp"):
            for start, length in long_functions(lines):
                broken.append(f"{name}:{start}: function of {length} lines, at most {FUNCTION_LINES_MAX}")
    print("\n".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
