# Sourced by the scripts beside it: where the broker's jars are kept.
#   DSTREAM_KAFKA_LIBS   the folder; by default kafka-VERSION in the user's cache
kafka_version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' \
  "$(dirname "${BASH_SOURCE[0]}")/pom.xml")
kafka_cache=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/dstream
kafka_libs=$(realpath -m "${DSTREAM_KAFKA_LIBS:-$kafka_cache/kafka-$kafka_version}")
