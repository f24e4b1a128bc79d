#!/usr/bin/env python3
"""Fetches values that DStream has stored elsewhere (on_oversize: claim_check).

usage: kcat -C -b BROKER -t TOPIC -J -e | CLAIM_SAS='sp=r&sig=...' fetch_claims.py
"""
import hashlib
import json
import os
import sys
import urllib.request


def whole_value(headers, value, sas=""):
    """The value of a message, fetched if it is a reference."""
    if "dstream-claim-check" not in headers:
        return value
    claim = json.loads(value)["claim_check"]
    url = claim["location"]
    if url.startswith("https:"):
        url += "?" + sas  # a reader's own signature; messages have none
    with urllib.request.urlopen(url) as answer:
        whole = answer.read()
    assert len(whole) == claim["bytes"]
    assert hashlib.sha256(whole).hexdigest() == claim["sha256"]
    return whole


def main():
    for line in sys.stdin:
        message = json.loads(line)
        names_and_values = message.get("headers", [])
        headers = dict(zip(names_and_values[::2], names_and_values[1::2]))
        value = (message["payload"] or "").encode()
        whole = whole_value(headers, value, os.environ.get("CLAIM_SAS", ""))
        print(json.dumps({"key": message["key"], "payload": whole.decode()}))


main()
