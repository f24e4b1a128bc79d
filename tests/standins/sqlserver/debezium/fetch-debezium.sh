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

complete() { [ "$(cat "$libs/.complete" 2>/dev/null)" = "$version" ]; }

if ! complete; then
  mkdir -p "$(dirname "$libs")"
  exec 9>"$libs.lock"
  flock 9                              # two tests may come here at the same time
  if ! complete; then
    rm -rf "$libs"
    mvn -B -q -C -Dstyle.color=never ${MVN_ARGS:-} -f "$here/pom.xml" \
      dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" 9>&- >&2
    echo "$version" > "$libs/.complete"
  fi
fi
echo "$libs"
