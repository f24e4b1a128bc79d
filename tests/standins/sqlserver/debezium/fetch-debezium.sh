#!/bin/bash
# Puts the jars of Debezium's SQL Server connector into the cache with Maven. Does nothing if they
# are there. Prints the folder.
# usage: fetch-debezium.sh
#   DSTREAM_DEBEZIUM_LIBS   another folder than debezium-VERSION in the user's cache
#   MVN_ARGS                more for mvn, e.g. -o
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's:.*<debezium.version>\(.*\)</debezium.version>.*:\1:p' "$here/pom.xml")
cache=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/dstream
libs=$(realpath -m "${DSTREAM_DEBEZIUM_LIBS:-$cache/debezium-$version}")

"$here/../../fetch-jars.sh" "$here/pom.xml" "$libs" "$version"
echo "$libs"
