#!/usr/bin/env python3
"""Joins messages that DStream has split (on_oversize: split).

usage: kcat -C -b BROKER -t TOPIC -p 0 -J -e | join_parts.py      one partition at a time, in order
"""
import hashlib
import json
import sys


def join(messages):
    """Messages of one partition, as (key, headers, value) -> whole ones, as (key, value)."""
    begun = {}
    for key, headers, value in messages:
        if "dstream-part" not in headers:
            yield key, value
            continue
        number, count = map(int, headers["dstream-part"].split("/"))
        digest = headers["dstream-part-of"]
        if number == 1:
            begun[digest] = []  # also when it comes again: delivery is at least once
        parts = begun.get(digest)
        if parts is None or len(parts) != number - 1:
            continue  # the rest of one whose beginning was not read
        parts.append(value)
        if number == count:
            whole = b"".join(begun.pop(digest))
            assert hashlib.sha256(whole).hexdigest() == digest
            yield key, whole


def main():
    def messages():
        for line in sys.stdin:
            message = json.loads(line)
            names_and_values = message.get("headers", [])
            headers = dict(zip(names_and_values[::2], names_and_values[1::2]))
            yield message["key"], headers, (message["payload"] or "").encode()

    for key, value in join(messages()):
        print(json.dumps({"key": key, "payload": value.decode()}))


main()
