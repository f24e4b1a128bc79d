#!/usr/bin/env bash
# The demo: a SQL Server stand-in with a writer that changes rows all the time, a Kafka broker, the
# host between them, and a reader that prints what arrives.
#
# usage: demo.sh BUILD_FOLDER [--seconds N] [--format json|debezium-json]
# Ends on Ctrl-C or after N seconds; every process it started is gone when it returns.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "$1")
shift
seconds=0
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
    *) echo "demo: unknown option $1" >&2; exit 2 ;;
  esac
done
[[ $seconds =~ ^[0-9]+$ ]] || { echo "demo: --seconds needs a number" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/dstream-demo.XXXXXX")
pids=()
cleanup() {
  trap - EXIT INT TERM
  # The host first: it drains while broker and database are still there.
  for pid in "${pids[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
# Ctrl-C reaches the host as well: it is given the time to drain, and not told a second time.
interrupted() {
  trap - INT
  for _ in $(seq 50); do
    kill -0 "${host:-0}" 2>/dev/null || break
    [ -n "${host:-}" ] || break
    sleep 0.1
  done
  [ ! -e "$work/messages" ] || echo "==> Done: $(wc -l <"$work/messages") messages"
  exit 130
}
trap interrupted INT
trap 'exit 143' TERM

# wait_line FILE PATTERN PID: the first line of FILE that matches, once it is there.
wait_line() {
  local line
  for _ in $(seq 300); do
    if line=$(grep -m1 -E "$2" "$1" 2>/dev/null); then
      printf '%s\n' "$line"
      return 0
    fi
    kill -0 "$3" 2>/dev/null || break
    sleep 0.05
  done
  echo "demo: a part did not start; its output:" >&2
  cat "$1" "$1.err" >&2 2>/dev/null || true
  return 1
}

echo "==> SQL Server stand-in with tables dbo.Persons and dbo.Cars, and a writer that changes them"
"$build/tests/standins/sqlserver/program/dstream-sqlserver" --port 0 --database demo \
  --password Demo-1234 --script "$here/conf/demo.sql" --capture-interval 250 --demo-writer \
  >"$work/sqlserver" 2>"$work/sqlserver.err" &
sqlserver=$!
pids=("$sqlserver")
port=$(wait_line "$work/sqlserver" '^listening ' "$sqlserver" | sed -E 's/^listening [^ ]*:([0-9]+) .*/\1/')

echo "==> Kafka broker (librdkafka's mock) with topics demo.dbo.Persons and demo.dbo.Cars"
"$build/tests/standins/kafka/dstream-mock-kafka" --topic demo.dbo.Persons:4 \
  --topic demo.dbo.Cars:4 >"$work/kafka" 2>"$work/kafka.err" </dev/null &
kafka=$!
pids=("$kafka" "${pids[@]}")
brokers=$(wait_line "$work/kafka" '[0-9.]+:[0-9]+' "$kafka" | grep -oE '[0-9.]+:[0-9]+(,[0-9.]+:[0-9]+)*')

echo "==> Reader of both topics"
"$build/tests/standins/kafka/dstream-kafka-tail" "$brokers" demo.dbo.Persons demo.dbo.Cars \
  > >(tee "$work/messages") &
pids=("$!" "${pids[@]}")

echo "==> dstream run conf/demo.yaml"
export DSTREAM_SQLSERVER="sqlserver://sa:Demo-1234@127.0.0.1:$port?database=demo&encrypt=no"
export DSTREAM_KAFKA=$brokers
"$build/host/dstream" run "$here/conf/demo.yaml" --plugin-dir "$build/plugin-dir" \
  --state-dir "$work/state" --status-interval 2s &
host=$!
pids=("$host" "${pids[@]}")

if [ "$seconds" -gt 0 ]; then
  end=$((SECONDS + seconds))
  while [ $SECONDS -lt $end ] && kill -0 "$host" 2>/dev/null; do
    sleep 0.2
  done
  kill -0 "$host" 2>/dev/null || { echo "demo: the host ended early" >&2; exit 1; }
  kill -TERM "$host"
fi
status=0
wait "$host" || status=$?
[ $status -eq 143 ] && [ "$seconds" -gt 0 ] && status=0
if [ $status -eq 0 ] && [ ! -s "$work/messages" ]; then
  echo "demo: no message arrived" >&2
  exit 1
fi
echo "==> Done: $(wc -l <"$work/messages") messages (host ended with $status)"
exit $status
