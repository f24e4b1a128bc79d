// What ScriptedKafka says to each kind of request.
#include <iterator>

#include "tests/standins/kafka/kafka_batch.h"
#include "tests/standins/kafka/kafka_wire.h"
#include "tests/standins/kafka/scripted_kafka.h"

namespace dstream::standin {
namespace {

enum Kind : int16_t {
  kProduce = 0,
  kMetadata = 3,
  kFindCoordinator = 10,
  kApiVersions = 18,
  kInitProducerId = 22,
};

enum Code : int16_t {
  kUnknownTopic = 3,
  kUnsupportedVersion = 35,
  kInvalidRequest = 42,
  kUnsupportedForFormat = 43,
  kOutOfOrderSequence = 45,
  kInvalidProducerIdMapping = 49,
};

struct Versions {
  int16_t kind;
  int16_t lowest;
  int16_t highest;
  bool served = true;  // else announced alone: clients conclude from it what the broker is
};

// As Event Hubs Standard announces them.
constexpr Versions kVersions[] = {
    {kProduce, 3, 7},
    {1, 4, 6, false},  // Fetch; without it librdkafka sends no record
                       // batches
    {2, 0, 7, false},  // ListOffsets
    {kMetadata, 0, 5},
    {8, 0, 8, false},  // OffsetCommit
    {9, 0, 5, false},  // OffsetFetch
    {kFindCoordinator, 0, 2},
    {11, 0, 7, false},  // JoinGroup
    {12, 0, 4, false},  // Heartbeat
    {13, 0, 4, false},  // LeaveGroup
    {14, 0, 5, false},  // SyncGroup
    {17, 0, 1, false},  // SaslHandshake
    {kApiVersions, 0, 2},
    {kInitProducerId, 0, 1},
    {32, 0, 2, false},  // DescribeConfigs
    {36, 0, 1, false},  // SaslAuthenticate
    {37, 0, 1, false},  // CreatePartitions
};

constexpr int32_t kNode = 0;
constexpr int16_t kEpoch = 0;
constexpr const char* kHost = "127.0.0.1";
constexpr const char* kNoTransactions =
    "Transactions are only supported in Premium or Dedicated sku";

bool is_served(int16_t kind, int16_t version) {
  for (const Versions& versions : kVersions) {
    if (versions.kind == kind) {
      return versions.served && version >= versions.lowest && version <= versions.highest;
    }
  }
  return false;
}

}  // namespace

ScriptedKafka::Answer ScriptedKafka::next_answer(int16_t kind) {
  std::deque<Answer>& script = scripts_[kind];
  if (script.empty()) {
    return always_[kind];
  }
  const Answer answer = script.front();
  script.pop_front();
  return answer;
}

bool ScriptedKafka::answer(int16_t kind, int16_t version, WireReader& request, WireWriter& out,
                           int* hold_ms) {
  if (kind == kApiVersions) {
    answer_versions(version, out);
    return true;
  }
  if (!is_served(kind, version)) {
    ++counts_.broken;
    return false;
  }
  const Answer how = next_answer(kind);
  *hold_ms = how.hold_ms;
  switch (kind) {
    case kProduce:
      ++counts_.produced;
      answer_produce(version, request, how, out);
      break;
    case kMetadata:
      answer_metadata(version, request, how, out);
      break;
    case kInitProducerId:
      answer_producer_id(how, out);
      break;
    default:  // kFindCoordinator
      if (version >= 1) {
        out.number(int32_t{0});
      }
      out.number(int16_t{kInvalidRequest});
      if (version >= 1) {
        out.text(kNoTransactions);
      }
      out.number(int32_t{-1}).text("").number(int32_t{-1});
  }
  return !how.close;
}

// A version that is not served is answered as version 0, and the client asks again.
void ScriptedKafka::answer_versions(int16_t version, WireWriter& out) const {
  const bool served = is_served(kApiVersions, version);
  out.number(served ? int16_t{0} : int16_t{kUnsupportedVersion});
  out.number(static_cast<int32_t>(std::size(kVersions)));
  for (const Versions& versions : kVersions) {
    const int16_t lowest =
        versions.kind == kProduce ? options_.produce_version_lowest : versions.lowest;
    out.number(versions.kind).number(lowest).number(versions.highest);
  }
  if (served && version >= 1) {
    out.number(int32_t{0});
  }
}

void ScriptedKafka::answer_metadata(int16_t version, WireReader& request, const Answer& how,
                                    WireWriter& out) {
  std::vector<std::string> asked;
  const auto count = request.number<int32_t>();
  for (int32_t i = 0; i < count; ++i) {
    asked.push_back(request.text());
  }
  if (count < 0 || (count == 0 && version == 0)) {
    for (const auto& [name, partitions] : topics_) {
      asked.push_back(name);
    }
  }
  if (version >= 3) {
    out.number(int32_t{how.throttle_ms});
  }
  out.number(int32_t{1}).number(kNode).text(kHost).number(int32_t{port_});
  if (version >= 1) {
    out.no_text();  // rack
  }
  if (version >= 2) {
    out.text("scripted");
  }
  if (version >= 1) {
    out.number(kNode);  // controller
  }
  out.number(static_cast<int32_t>(asked.size()));
  for (const std::string& name : asked) {
    const auto found = topics_.find(name);
    const size_t partitions = found == topics_.end() ? 0 : found->second.size();
    out.number(static_cast<int16_t>(partitions == 0 ? int{kUnknownTopic} : how.code)).text(name);
    if (version >= 1) {
      out.number(int8_t{0});  // internal
    }
    out.number(static_cast<int32_t>(partitions));
    for (size_t index = 0; index < partitions; ++index) {
      out.number(int16_t{0}).number(static_cast<int32_t>(index)).number(kNode);
      out.number(int32_t{1}).number(kNode).number(int32_t{1}).number(kNode);
      if (version >= 5) {
        out.number(int32_t{0});  // offline replicas
      }
    }
  }
}

void ScriptedKafka::answer_producer_id(const Answer& how, WireWriter& out) {
  out.number(int32_t{how.throttle_ms}).number(static_cast<int16_t>(how.code));
  if (how.code != 0) {
    out.number(int64_t{-1}).number(int16_t{-1});
    return;
  }
  ++counts_.producer_ids;
  out.number(next_producer_id_++).number(kEpoch);
}

void ScriptedKafka::answer_produce(int16_t version, WireReader& request, const Answer& how,
                                   WireWriter& out) {
  request.nullable_text();    // transactional id
  request.number<int16_t>();  // acks
  request.number<int32_t>();  // timeout
  const auto topic_count = request.number<int32_t>();
  out.number(topic_count);
  for (int32_t topic = 0; topic < topic_count; ++topic) {
    const std::string name = request.text();
    const auto partition_count = request.number<int32_t>();
    out.text(name).number(partition_count);
    for (int32_t i = 0; i < partition_count; ++i) {
      const auto index = request.number<int32_t>();
      KafkaBatch batch = read_batch(request.nullable_bytes().value_or(""));
      const auto found = topics_.find(name);
      const bool known =
          found != topics_.end() && index >= 0 && static_cast<size_t>(index) < found->second.size();
      int64_t offset = -1;
      auto code = static_cast<int16_t>(how.code);
      if (!known) {
        code = kUnknownTopic;
      } else if (how.applied || (code == 0 && !how.close)) {
        const int16_t stored =
            store(found->second[static_cast<size_t>(index)], index, std::move(batch), &offset);
        code = code == 0 ? stored : code;
      }
      out.number(index).number(code).number(offset).number(int64_t{-1});
      if (version >= 5) {
        out.number(int64_t{0});  // where the log starts
      }
    }
  }
  out.number(int32_t{how.throttle_ms});
}

int16_t ScriptedKafka::store(Partition& partition, int32_t index, KafkaBatch batch,
                             int64_t* offset) {
  if (batch.compressed) {
    return kUnsupportedForFormat;
  }
  if (batch.producer_id >= 0 && batch.producer_id < forgotten_before_) {
    return kInvalidProducerIdMapping;
  }
  const auto next_offset = static_cast<int64_t>(partition.records.size());
  if (batch.producer_id >= 0) {
    Producer& producer = partition.producers[batch.producer_id];
    if (options_.check_sequences && batch.first_sequence == producer.last_sequence) {
      ++counts_.duplicates;
      *offset = producer.last_offset;
      return 0;
    }
    if (options_.check_sequences && batch.first_sequence != producer.next_sequence) {
      return kOutOfOrderSequence;
    }
    producer = {batch.first_sequence + batch.record_count, batch.first_sequence, next_offset};
  }
  *offset = next_offset;
  for (KafkaRecord& record : batch.records) {
    record.partition = index;
    record.offset = static_cast<int64_t>(partition.records.size());
    partition.records.push_back(std::move(record));
  }
  return 0;
}

}  // namespace dstream::standin
