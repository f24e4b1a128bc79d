// The source "generator": options, pace and position. It hands out batches of its own making, which
// recycle their memory (batch.h).
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "batch.h"
#include "dstream/plugin.hpp"
#include "pacer.h"

namespace {

using generator::BatchPool;
using generator::Options;
using generator::Pacer;

int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Options read_options(const dstream::Host& host) {
  Options options;
  options.rate = host.config_or<double>("/rate", options.rate);
  options.rows = host.config_or<uint64_t>("/rows", options.rows);
  options.size = host.config_or<uint64_t>("/size", options.size);
  options.seed = host.config_or<uint64_t>("/seed", options.seed);
  options.tables = host.config_or<uint32_t>("/tables", options.tables);
  options.keys = host.config_or<uint64_t>("/keys", options.keys);
  options.delete_percent = host.config_or<uint32_t>("/delete_percent", options.delete_percent);
  options.transaction_size =
      host.config_or<uint64_t>("/transaction_size", options.transaction_size);
  if (options.delete_percent > 0 && options.keys == 0) {
    throw dstream::Error(DSTREAM_CONFIG,
                         "/delete_percent: Nothing can be deleted while every record has a new "
                         "key; set keys as well.");
  }
  return options;
}

class Generator {
 public:
  dstream::StopToken stop;

  explicit Generator(dstream::Host host)
      : pool_(std::make_shared<BatchPool>(read_options(host))), pacer_(0, 0) {}

  void open(std::string_view position) {
    emitted_ = 0;
    if (!position.empty() && !generator::read_position(position, &emitted_)) {
      throw dstream::Error(DSTREAM_FATAL,
                           "The stored position was not written by this version of the generator; "
                           "nothing is read, so that nothing is repeated unseen.");
    }
    pacer_ = Pacer(options().rate, monotonic_ns());
  }

  dstream_batch* read(uint32_t max_records, dstream::Millis max_wait) {
    if (stop.stopped()) {
      return nullptr;
    }
    if (options().rows != 0 && emitted_ >= options().rows) {
      throw dstream::Error(DSTREAM_END, "All rows are made.");
    }
    uint64_t wanted = std::min(max_records, generator::batch_records_max(options()));
    if (options().rows != 0) {
      wanted = std::min(wanted, options().rows - emitted_);
    }
    uint64_t count = pacer_.due(monotonic_ns(), wanted);
    if (count == 0) {
      const dstream::Millis due_in(pacer_.wait_ns(monotonic_ns()) / 1'000'000 + 1);
      if (stop.wait_for(std::min(due_in, max_wait))) {
        return nullptr;
      }
      count = pacer_.due(monotonic_ns(), wanted);
    }
    if (count == 0) {
      return nullptr;
    }
    dstream_batch* batch = pool_->make(emitted_ + 1, static_cast<uint32_t>(count), wall_ns());
    emitted_ += count;
    pacer_.emitted(count);
    return batch;
  }

  void close() {}

 private:
  const Options& options() const { return pool_->workload().options(); }

  std::shared_ptr<BatchPool> pool_;  // shared with the batches the host still holds
  Pacer pacer_;
  uint64_t emitted_ = 0;  // number of the last record given out
};

constexpr char kSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "rate": {
      "type": "number", "minimum": 0, "maximum": 1000000000, "default": 0,
      "description": "Records a second. 0: as fast as they are read. After a stall it catches up."
    },
    "rows": {
      "type": "integer", "minimum": 0, "maximum": 9223372036854775807, "default": 0,
      "description": "Records in all; then the source ends and the pipeline drains )json"
                           R"json(and stops. 0: without end."
    },
    "size": {
      "type": "integer", "minimum": 0, "maximum": 16777216, "default": 500,
      "description": "Bytes of the column payload."
    },
    "seed": {
      "type": "integer", "minimum": 0, "maximum": 9223372036854775807, "default": 1,
      "description": "Same seed, same records."
    },
    "tables": {
      "type": "integer", "minimum": 1, "maximum": 10000, "default": 1,
      "description": "Tables the records are dealt to in turn: load.records_1, load.records_2, ..."
    },
    "keys": {
      "type": "integer", "minimum": 0, "maximum": 1000000000000, "default": 0,
      "description": "Distinct keys in each table, visited in turn: insert first, )json"
                           R"json(then updates and deletes. 0: every record inserts a new key."
    },
    "delete_percent": {
      "type": "integer", "minimum": 0, "maximum": 50, "default": 0,
      "description": "How many of 100 visits of a key delete it; the next visit )json"
                           R"json(inserts it again. The rest are updates. Needs keys."
    },
    "transaction_size": {
      "type": "integer", "minimum": 1, "maximum": 1000000000, "default": 1,
      "description": "Records that share a transaction and a commit LSN."
    }
  }
})json";

}  // namespace

DSTREAM_PLUGIN("generator", "DStream", "MIT",
               dstream::source<Generator>(
                   "generator", "1.0.0",
                   "Makes records at a given rate and size, the same ones for the same seed.",
                   kSchema));
