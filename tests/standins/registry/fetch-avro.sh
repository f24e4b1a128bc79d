#!/bin/bash
# Puts the jars of Apache Avro into the cache with Maven. Does nothing if they are there. Prints the
# folder.
# usage: fetch-avro.sh
#   DSTREAM_AVRO_LIBS   another folder than avro-VERSION in the user's cache
#   MVN_ARGS            more for mvn, e.g. -o
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's:.*<avro.version>\(.*\)</avro.version>.*:\1:p' "$here/pom.xml")
cache=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/dstream
libs=$(realpath -m "${DSTREAM_AVRO_LIBS:-$cache/avro-$version}")

"$here/../fetch-jars.sh" "$here/pom.xml" "$libs" "$version"
echo "$libs"
