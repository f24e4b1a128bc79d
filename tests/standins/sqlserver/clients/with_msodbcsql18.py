#!/usr/bin/env python3
"""Runs a program with Microsoft's ODBC driver as the only one installed.

usage: with_msodbcsql18.py PROGRAM [ARGUMENT]...

The driver is fetched as run_clients.py does it, into the user's cache, if its licence was accepted;
otherwise nothing is run and the exit code is 77.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import clients
import run_clients

NOT_RUN = 77


def main():
    driver = clients.MsOdbc(None)
    if driver.why_not():
        run_clients.say(f"{driver.title}: not run: {driver.why_not()}")
        return NOT_RUN
    folder = run_clients.fetch_all([driver])[driver]
    if isinstance(folder, BaseException):
        raise folder
    with tempfile.TemporaryDirectory(prefix="dstream-odbc-") as temporary:
        (pathlib.Path(temporary) / "odbcinst.ini").write_text(
            f"[ODBC Driver 18 for SQL Server]\nDriver={folder / driver.library}\n",
            encoding="utf-8")
        return subprocess.run(sys.argv[1:], env={**os.environ, "ODBCSYSINI": temporary},
                              check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
