#!/bin/bash
# Runs a Kafka command line tool from the fetched jars.
# usage: kafka-tool.sh CLASS ARGUMENTS...      JVM_OPTS: more for Java
#   kafka-tool.sh org.apache.kafka.tools.TopicCommand --bootstrap-server 127.0.0.1:19092 --list
#   kafka-tool.sh kafka.admin.ConfigCommand ... --alter --add-config producer_byte_rate=1000000
set -euo pipefail
. "$(dirname "$(realpath "$0")")/kafka-env.sh"
exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 ${JVM_OPTS:-} \
  -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$kafka_libs/*" "$@"
