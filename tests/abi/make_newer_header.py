#!/usr/bin/env python3
"""Makes the abi.h of a later minor version: every struct that may grow has grown.

usage: make_newer_header.py ABI_H NEWER_ABI_H
"""

import pathlib
import re
import sys

GROWING = ("dstream_column", "dstream_schema", "dstream_record", "dstream_batch")


def main():
    header = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    for name in GROWING:
        header, count = re.subn(rf"^}} {name};", f"  uint64_t since_1_1;\n}} {name};", header,
                                flags=re.M)
        assert count == 1, name
    header, count = re.subn(r"(#define DSTREAM_ABI_MINOR) 0u", r"\1 1u", header)
    assert count == 1
    newer = pathlib.Path(sys.argv[2])
    newer.parent.mkdir(parents=True, exist_ok=True)
    newer.write_text(header, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
