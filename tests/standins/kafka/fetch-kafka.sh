#!/bin/bash
# Puts the jars of a Kafka broker into the cache with Maven, and a class-data archive (kafka.jsa)
# that halves the broker's start. Does nothing if they are there. Prints the folder.
# usage: fetch-kafka.sh
#   DSTREAM_KAFKA_LIBS   another folder (see kafka-env.sh)
#   MVN_ARGS             more for mvn, e.g. -o
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/kafka-env.sh"


# The archive is bound to this Java and to this folder (path and times of the jars); where it does
# not fit, Java ignores it without a word. It is a gift, not a need: no archive, no harm.
make_archive() {
  work=$(mktemp -d)
  trap 'kill -9 "$(cat "$work/pid")" 2>/dev/null || true; rm -rf "$work"' EXIT
  port=$((20000 + RANDOM % 10000))
  stop() { kill "$1"; while [ -d "/proc/$1" ]; do sleep 0.1; done; }
  if "$here/start-kafka.sh" "$work" $port $((port + 1)) $((port + 2)); then
    stop "$(cat "$work/pid")"
    JVM_OPTS="-XX:ArchiveClassesAtExit=$kafka_libs/kafka.jsa" \
      "$here/start-kafka.sh" "$work" $port $((port + 1)) $((port + 2))
    stop "$(cat "$work/pid")"
  fi
}

if [ "${1:-}" = --make-archive ]; then
  make_archive
  exit
fi
"$here/../fetch-jars.sh" "$here/pom.xml" "$kafka_libs" "$kafka_version" \
  "$here/fetch-kafka.sh" --make-archive
echo "$kafka_libs"
