#!/bin/bash
# Puts the jars of a Kafka broker into the cache with Maven, and a class-data archive (kafka.jsa)
# that halves the broker's start. Does nothing if they are there. Prints the folder.
# usage: fetch-kafka.sh
#   DSTREAM_KAFKA_LIBS   another folder (see kafka-env.sh)
#   MVN_ARGS             more for mvn, e.g. -o
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/kafka-env.sh"

complete() { [ "$(cat "$kafka_libs/.complete" 2>/dev/null)" = "$kafka_version" ]; }

if ! complete; then
  mkdir -p "$(dirname "$kafka_libs")"
  exec 9>"$kafka_libs.lock"
  flock 9                              # two tests may come here at the same time
  if ! complete; then
    rm -rf "$kafka_libs"
    mvn -B -q -C -Dstyle.color=never ${MVN_ARGS:-} -f "$here/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$kafka_libs" 9>&- >&2

    # The archive is bound to this Java and to this folder (path and times of the jars); where it
    # does not fit, Java ignores it without a word. It is a gift, not a need: no archive, no harm.
    work=$(mktemp -d)
    trap 'kill -9 "$(cat "$work/pid")" 2>/dev/null || true; rm -rf "$work"' EXIT
    port=$((20000 + RANDOM % 10000))
    stop() { kill "$1"; while [ -d "/proc/$1" ]; do sleep 0.1; done; }
    if "$here/start-kafka.sh" "$work" $port $((port + 1)) $((port + 2)) 9>&- >&2; then
      stop "$(cat "$work/pid")"
      JVM_OPTS="-XX:ArchiveClassesAtExit=$kafka_libs/kafka.jsa" \
        "$here/start-kafka.sh" "$work" $port $((port + 1)) $((port + 2)) 9>&- >&2
      stop "$(cat "$work/pid")"
    fi
    echo "$kafka_version" > "$kafka_libs/.complete"
  fi
fi
echo "$kafka_libs"
