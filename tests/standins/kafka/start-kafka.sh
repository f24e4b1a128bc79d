#!/bin/bash
# Starts one Kafka broker (KRaft) under DIR and waits until it serves; on a DIR used before it
# carries on with the data there.
# usage: start-kafka.sh DIR PORT SASL_PORT CONTROLLER_PORT       PLAINTEXT on PORT, all on loopback
# Leaves in DIR: pid, kafka.log, server.properties, certs/, data/.
# Stop: kill $(cat DIR/pid), then wait until it is gone.  Crash: kill -9.
#   SECRET         the SASL PLAIN password of the user $ConnectionString (no " and no \)
#   EXTRA          more lines for server.properties; of one name the last line wins
#   JVM_OPTS       more options for Java
#   FOREGROUND=1   become the broker (exec) instead of starting it and waiting for it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/kafka-env.sh"
dir=$(realpath -m "$1"); plain=$2; sasl=$3; controller=$4
secret=${SECRET:-Endpoint=sb://127.0.0.1:$sasl/;SharedAccessKeyName=k;SharedAccessKey=abc=}
# No -XX:TieredStopAtLevel=1: it starts 0.4 s sooner, but TLS is then 4 times slower.
jvm=(-Xms64m -Xmx256m -XX:+UseSerialGC -Xshare:auto
     -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
     -Dorg.slf4j.simpleLogger.showDateTime=true "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"
     "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://$dir/certs/jwks.json")
[ ! -f "$kafka_libs/kafka.jsa" ] || jvm+=("-XX:SharedArchiveFile=$kafka_libs/kafka.jsa")

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# A broker told to stop takes 0.5 s or more, and a killed one holds its ports for a moment after it
# is a zombie: wait for the end of both.
old=$(cat "$dir/pid" 2>/dev/null || echo none)
for _ in $(seq 400); do
  [ -d "/proc/$old" ] && ! grep -qs '^State:.*Z' "/proc/$old/status" || break
  sleep 0.05
done
for port in $plain $sasl $controller; do
  for attempt in $(seq 100); do
    is_open "$port" || break
    [ "$attempt" -lt 100 ] || { echo "port $port is in use" >&2; exit 1; }
    sleep 0.05
  done
done

mkdir -p "$dir"
"$here/make-certs.sh" "$dir/certs"
text=$(cat "$here/server.properties.in")
text=${text//@DIR@/"$dir"};    text=${text//@PLAIN@/$plain}
text=${text//@SASL@/$sasl};    text=${text//@CONTROLLER@/$controller}
text=${text//@SECRET@/"$secret"}
printf '%s\n%s\n' "$text" "${EXTRA:-}" > "$dir/server.properties"

if [ ! -f "$dir/data/meta.properties" ]; then    # the first time
  java "${jvm[@]}" -cp "$kafka_libs/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ \
    -c "$dir/server.properties" > "$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
fi

command=(java "${jvm[@]}" ${JVM_OPTS:-} -cp "$kafka_libs/*" kafka.Kafka "$dir/server.properties")
if [ -n "${FOREGROUND:-}" ]; then
  echo $$ > "$dir/pid"
  exec "${command[@]}" >> "$dir/kafka.log" 2>&1 < /dev/null
fi
setsid "${command[@]}" >> "$dir/kafka.log" 2>&1 < /dev/null &
pid=$!
echo $pid > "$dir/pid"
for _ in $(seq 1200); do                         # at most 60 s
  kill -0 $pid 2>/dev/null || { tail -40 "$dir/kafka.log" >&2; exit 1; }
  # Kafka opens these ports last, when it is registered and its partitions lead.
  if is_open "$plain" && is_open "$sasl"; then exit 0; fi
  sleep 0.05
done
echo "Kafka did not start in 60 s, see $dir/kafka.log" >&2
kill -9 $pid; exit 1
