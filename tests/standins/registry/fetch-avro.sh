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
