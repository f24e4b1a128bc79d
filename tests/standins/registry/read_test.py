#!/usr/bin/env python3
"""Every message of core/messages/testdata/avro.txt is read by Apache Avro, and what it reads is
what avro_read.txt beside it says.

usage: read_test.py TESTDATA    with DSTREAM_GOLDEN_WRITE=1 avro_read.txt is written instead
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).parent
testdata = pathlib.Path(sys.argv[1])


def main():
    text = (testdata / "avro.txt").read_text(encoding="utf-8")
    messages = re.findall(r"^(?:key|value): ([0-9a-f]+)$", text, re.MULTILINE)
    schemas = re.findall(r"^schema (\d+): (.*)$", text, re.MULTILINE)
    assert len(messages) > 20 and len(schemas) >= 4, "the file is not what it was"
    libs = subprocess.run([here / "fetch-avro.sh"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        for number, schema in schemas:
            pathlib.Path(folder, number + ".avsc").write_text(schema, encoding="utf-8")
        read = subprocess.run(
            ["java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", libs + "/*",
             here / "ReadAvro.java", folder],
            input="\n".join(messages) + "\n", check=True, stdout=subprocess.PIPE,
            encoding="utf-8").stdout
    golden = testdata / "avro_read.txt"
    if os.environ.get("DSTREAM_GOLDEN_WRITE"):
        golden.write_text(read, encoding="utf-8")
    expected = golden.read_text(encoding="utf-8")
    for got, want in zip(read.splitlines(), expected.splitlines()):
        assert got == want, f"\n{got}\nis not\n{want}"
    assert len(read.splitlines()) == len(expected.splitlines()) == len(messages)


main()
