#!/bin/bash
# Puts the jars that a pom.xml asks for into a folder with Maven, once for each version.
# usage: fetch-jars.sh POM FOLDER VERSION [COMMAND ARGUMENT...]
#   COMMAND    runs once, when the jars are there; the folder counts as complete only after it
#   MVN_ARGS   more for mvn, e.g. -o
set -euo pipefail
pom=$1 libs=$2 version=$3
shift 3

complete() { [ "$(cat "$libs/.complete" 2>/dev/null)" = "$version" ]; }

complete && exit
mkdir -p "$(dirname "$libs")"
exec 9>"$libs.lock"
flock 9                                # two tests may come here at the same time
complete && exit
rm -rf "$libs"
mvn -B -q -C -Dstyle.color=never ${MVN_ARGS:-} -f "$pom" dependency:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$libs" 9>&- >&2
if [ $# -gt 0 ]; then
  "$@" 9>&- >&2
fi
echo "$version" > "$libs/.complete"
