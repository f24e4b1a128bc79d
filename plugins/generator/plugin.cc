// The source "generator", written against the plain C tables: its batches are recycled, which the
// class layer of plugin.hpp does not do.
#include <algorithm>
#include <chrono>
#include <cstring>
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
             std::chrono::steady_clock::now().time_since_epoch()).count();
}
int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch()).count();
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
  explicit Generator(const dstream_host* host)
      : pool_(std::make_shared<BatchPool>(read_options(dstream::Host(host)))),
        pacer_(0, 0) {}

  dstream_status open(std::string_view position) {
    if (stop_.stopped()) {
      return DSTREAM_CANCELLED;
    }
    emitted_ = 0;
    if (!position.empty() && !generator::read_position(position, &emitted_)) {
      throw dstream::Error(DSTREAM_FATAL,
                           "The stored position was not written by this version of the generator; "
                           "nothing is read, so that nothing is repeated unseen.");
    }
    pacer_ = Pacer(options().rate, monotonic_ns());
    return DSTREAM_OK;
  }

  dstream_status read(uint32_t max_records, uint32_t max_wait_ms, dstream_batch** out) {
    if (stop_.stopped()) {
      return DSTREAM_CANCELLED;
    }
    if (options().rows != 0 && emitted_ >= options().rows) {
      return DSTREAM_END;
    }
    uint64_t wanted = std::min(max_records, generator::batch_records_max(options()));
    if (options().rows != 0) {
      wanted = std::min(wanted, options().rows - emitted_);
    }
    uint64_t count = pacer_.due(monotonic_ns(), wanted);
    if (count == 0) {
      const int64_t due_in_ms = pacer_.wait_ns(monotonic_ns()) / 1'000'000 + 1;
      if (stop_.wait_for(dstream::Millis(std::min<int64_t>(due_in_ms, max_wait_ms)))) {
        return DSTREAM_CANCELLED;
      }
      count = pacer_.due(monotonic_ns(), wanted);
    }
    if (count == 0) {
      return DSTREAM_AGAIN;
    }
    *out = pool_->make(emitted_ + 1, static_cast<uint32_t>(count), wall_ns());
    emitted_ += count;
    pacer_.emitted(count);
    return DSTREAM_OK;
  }

  void request_stop() { stop_.request(); }
  void close() { stop_.reset(); }

 private:
  const Options& options() const { return pool_->workload().options(); }

  dstream::StopToken stop_;
  std::shared_ptr<BatchPool> pool_;  // shared with the batches the host still holds
  Pacer pacer_;
  uint64_t emitted_ = 0;  // number of the last record given out
};

Generator& self(dstream_source* source) { return *reinterpret_cast<Generator*>(source); }

// Runs `body`; what it throws becomes a status.
template <class F>
dstream_status guarded(dstream_error* error, F&& body) noexcept {
  auto say = [error](dstream_status status, const char* what) {
    if (error != nullptr && error->struct_size >= sizeof *error) {
      std::strncpy(error->message, what, sizeof error->message - 1);
      error->message[sizeof error->message - 1] = '\0';
    }
    return status;
  };
  try {
    return body();
  } catch (const dstream::Error& e) {
    return say(e.status, e.what());
  } catch (const std::bad_alloc&) {
    return say(DSTREAM_RETRY, "Out of memory for a batch.");
  } catch (const std::exception& e) {
    return say(DSTREAM_FATAL, e.what());
  } catch (...) {
    return say(DSTREAM_FATAL, "Unknown exception.");
  }
}

dstream_status create(const dstream_host* host, const char*, dstream_source** out,
                      dstream_error* error) noexcept {
  return guarded(error, [&] {
    *out = reinterpret_cast<dstream_source*>(new Generator(host));
    return DSTREAM_OK;
  });
}
dstream_status open(dstream_source* source, dstream_bytes position,
                    dstream_error* error) noexcept {
  return guarded(error, [&] { return self(source).open(dstream::view(position)); });
}
dstream_status read(dstream_source* source, uint32_t max_records, uint32_t max_wait_ms,
                    dstream_batch** out, dstream_error* error) noexcept {
  *out = nullptr;
  return guarded(error, [&] { return self(source).read(max_records, max_wait_ms, out); });
}
void request_stop(dstream_source* source) noexcept { self(source).request_stop(); }
void close(dstream_source* source) noexcept { self(source).close(); }
void destroy(dstream_source* source) noexcept { delete reinterpret_cast<Generator*>(source); }

constexpr dstream_source_api kTable = {
    sizeof(dstream_source_api), 0, create, open, read, nullptr, request_stop, close, destroy,
    nullptr};

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
      "description": "Records in all; then the source ends and the pipeline drains and stops. 0: without end."
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
      "description": "Distinct keys in each table, visited in turn: insert first, then updates and deletes. 0: every record inserts a new key."
    },
    "delete_percent": {
      "type": "integer", "minimum": 0, "maximum": 50, "default": 0,
      "description": "How many of 100 visits of a key delete it; the next visit inserts it again. The rest are updates. Needs keys."
    },
    "transaction_size": {
      "type": "integer", "minimum": 1, "maximum": 1000000000, "default": 1,
      "description": "Records that share a transaction and a commit LSN."
    }
  }
})json";

constexpr dstream_connector kGenerator = {
    sizeof(dstream_connector), 0, "generator", "1.0.0",
    "Makes records at a given rate and size, the same ones for the same seed.", kSchema, &kTable,
    nullptr};
constexpr const dstream_connector* kConnectors[] = {&kGenerator};

}  // namespace

extern "C" DSTREAM_EXPORT constinit const dstream_plugin dstream_plugin_v1 = {
    DSTREAM_MAGIC, sizeof(dstream_plugin), DSTREAM_ABI_MINOR, 0, "generator", "DStream", "MIT",
    "g++ " __VERSION__, kConnectors, 1, 0};
