// engine_crossing [--records N] [--batch N] [--messages]
//
// What it costs to carry a record from a source through the C ABI, the guard, the queue and the
// settle tracker into a sink, and back: both ends do nothing but hand over and settle whole
// batches, so that what is left is the engine. With --messages every record also becomes a JSON
// message. Prints nanoseconds a record, by the clock and by the processor; the budget for the
// crossing is 10 ns.
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "core/pipeline/pipeline.h"

namespace {

namespace core = dstream::core;

struct Plan {
  int64_t records = 50'000'000;
  uint32_t batch = 1000;
  bool messages = false;
};
Plan plan;

// Batches that are made once and handed out again when they come back.
class Pool {
 public:
  dstream_batch* take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) {
      blocks_.push_back(make());
      return &blocks_.back()->raw;
    }
    dstream_batch* batch = free_.back();
    free_.pop_back();
    return batch;
  }
  void give_back(dstream_batch* batch) {
    std::lock_guard lock(mutex_);
    free_.push_back(batch);
  }

 private:
  static constexpr size_t kColumns = 12;
  struct Block {
    dstream_batch raw{};
    std::vector<dstream_record> records;
    std::vector<std::array<dstream_value, kColumns>> rows;
  };

  static const dstream_schema* schema() {
    static const std::vector<dstream_column> columns = [] {
      std::vector<dstream_column> out(kColumns);
      static constexpr const char* kNames[kColumns] = {"c0", "c1", "c2", "c3", "c4",  "c5",
                                                       "c6", "c7", "c8", "c9", "c10", "c11"};
      for (size_t i = 0; i < kColumns; ++i) {
        out[i].name = kNames[i];
        out[i].source_type = "bigint";
        out[i].type = DSTREAM_INT64;
        out[i].flags = i == 0 ? uint32_t{DSTREAM_COLUMN_KEY} : 0u;
      }
      return out;
    }();
    static constexpr uint32_t keys[] = {0};
    static const dstream_schema out = {sizeof(dstream_schema),
                                       sizeof(dstream_column),
                                       1,
                                       "db",
                                       "dbo",
                                       "t",
                                       columns.data(),
                                       kColumns,
                                       1,
                                       keys};
    return &out;
  }

  static std::unique_ptr<Block> make() {
    static const uint8_t position[10] = {1};
    auto block = std::make_unique<Block>();
    block->records.resize(plan.batch);
    block->rows.resize(plan.batch);
    for (uint32_t i = 0; i < plan.batch; ++i) {
      for (size_t column = 0; column < kColumns; ++column) {
        block->rows[i][column].type = DSTREAM_INT64;
        block->rows[i][column].as.i64 = static_cast<int64_t>(i * column);
      }
      dstream_record& record = block->records[i];
      record.op = DSTREAM_OP_INSERT;
      record.schema = schema();
      record.after = block->rows[i].data();
      record.position = {position, sizeof position};
    }
    block->raw.struct_size = sizeof block->raw;
    block->raw.record_stride = sizeof(dstream_record);
    block->raw.records = block->records.data();
    block->raw.record_count = plan.batch;
    block->raw.byte_size = plan.batch * (sizeof(dstream_record) + sizeof(block->rows[0]));
    block->raw.release = release;
    return block;
  }
  static void release(dstream_batch* batch) noexcept;

  std::mutex mutex_;  // guards all below
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<dstream_batch*> free_;
};
Pool pool;

void Pool::release(dstream_batch* batch) noexcept { pool.give_back(batch); }

}  // namespace

struct dstream_source {
  int64_t left = 0;
};
struct dstream_sink {
  const dstream_host* host = nullptr;
};

namespace {

dstream_status source_create(const dstream_host*, const char*, dstream_source** out,
                             dstream_error*) noexcept {
  *out = new dstream_source{plan.records};
  return DSTREAM_OK;
}
dstream_status source_open(dstream_source*, dstream_bytes, dstream_error*) noexcept {
  return DSTREAM_OK;
}
dstream_status source_read(dstream_source* self, uint32_t, uint32_t, dstream_batch** out,
                           dstream_error*) noexcept {
  if (self->left <= 0) {
    return DSTREAM_END;
  }
  self->left -= plan.batch;
  *out = pool.take();
  return DSTREAM_OK;
}
void source_nothing(dstream_source*) noexcept {}
void source_destroy(dstream_source* self) noexcept { delete self; }

dstream_status sink_create(const dstream_host* host, const char*, dstream_sink** out,
                           dstream_error*) noexcept {
  *out = new dstream_sink{host};
  return DSTREAM_OK;
}
dstream_status sink_open(dstream_sink*, dstream_error*) noexcept { return DSTREAM_OK; }
dstream_status sink_write(dstream_sink* self, const dstream_delivery* delivery, uint32_t first,
                          uint32_t* accepted, dstream_error*) noexcept {
  *accepted = delivery->count - first;
  self->host->settle(self->host, delivery->id, first, *accepted, DSTREAM_OK, nullptr);
  return DSTREAM_OK;
}
dstream_status sink_serve(dstream_sink*, uint32_t, dstream_error*) noexcept { return DSTREAM_OK; }
void sink_nothing(dstream_sink*) noexcept {}
void sink_destroy(dstream_sink* self) noexcept { delete self; }

constexpr dstream_source_api kSource = {sizeof(dstream_source_api),
                                        0,
                                        source_create,
                                        source_open,
                                        source_read,
                                        nullptr,
                                        source_nothing,
                                        source_nothing,
                                        source_destroy,
                                        nullptr};
constexpr dstream_sink_api kSink = {sizeof(dstream_sink_api),
                                    0,
                                    sink_create,
                                    sink_open,
                                    sink_write,
                                    sink_serve,
                                    sink_serve,
                                    sink_nothing,
                                    sink_nothing,
                                    sink_destroy,
                                    nullptr};
constexpr const char* kSchema = R"({"type": "object"})";
constexpr dstream_connector kSourceConnector = {
    sizeof(dstream_connector), 0, "memory", "1.0.0", "Hands out.", kSchema, &kSource, nullptr};
constexpr dstream_connector kRecordSink = {
    sizeof(dstream_connector), 0, "records", "1.0.0", "Settles.", kSchema, nullptr, &kSink};
constexpr dstream_connector kMessageSink = {sizeof(dstream_connector),
                                            DSTREAM_CONNECTOR_MESSAGES,
                                            "messages",
                                            "1.0.0",
                                            "Settles.",
                                            kSchema,
                                            nullptr,
                                            &kSink};
constexpr const dstream_connector* kConnectors[] = {&kSourceConnector, &kRecordSink, &kMessageSink};
constexpr dstream_plugin kPlugin = {DSTREAM_MAGIC,
                                    sizeof(dstream_plugin),
                                    DSTREAM_ABI_MINOR,
                                    0,
                                    "bench",
                                    "DStream",
                                    "MIT",
                                    "bench",
                                    kConnectors,
                                    3,
                                    0};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int run() {
  core::SystemClock clock;
  auto files = core::make_system_file_system();
  auto log = core::make_null_log();
  core::MetricsRegistry metrics;
  core::PluginRegistry plugins;
  if (auto added = plugins.add(kPlugin); !added) {
    std::fprintf(stderr, "%s\n", added.error().text().c_str());
    return 1;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "dstream-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    return 1;
  }
  core::PipelineEnvironment environment;
  environment.clock = &clock;
  environment.files = files.get();
  environment.log = log.get();
  environment.metrics = &metrics;
  environment.plugins = &plugins;
  environment.state_dir = folder;
  core::PipelineSettings settings;
  settings.name = "bench";
  settings.source = {"memory", "{}", std::nullopt};
  settings.sink = {plan.messages ? "messages" : "records", "{}", std::nullopt};
  settings.batch_max_records = plan.batch;
  // A source has just written what it hands out; here nothing is written, so a deep queue would
  // measure memory that nobody would have to fetch.
  settings.queue_max_bytes = 2 * 1024 * 1024;
  auto pipeline = core::Pipeline::create(settings, environment);
  if (!pipeline) {
    std::fprintf(stderr, "%s\n", pipeline.error().text().c_str());
    return 1;
  }
  int64_t started = clock.monotonic_ns();
  double cpu_started = cpu_seconds();
  (*pipeline)->start();
  (*pipeline)->wait(-1);
  auto elapsed = static_cast<double>(clock.monotonic_ns() - started);
  double cpu = (cpu_seconds() - cpu_started) * 1e9;
  core::PipelineStatus status = (*pipeline)->status();
  auto records = static_cast<double>(status.records_delivered);
  std::printf("%s, batches of %u: %.2f ns a record, %.2f ns of CPU, %.1f million records/s\n",
              plan.messages ? "messages" : "records", plan.batch, elapsed / records, cpu / records,
              records / elapsed * 1e3);
  pipeline->reset();
  std::filesystem::remove_all(folder);
  return status.state == core::PipelineState::kStopped && !status.last_error ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--records") == 0 && i + 1 < argc) {
      plan.records = std::atoll(argv[++i]);
    } else if (std::strcmp(argv[i], "--batch") == 0 && i + 1 < argc) {
      plan.batch = static_cast<uint32_t>(std::atoi(argv[++i]));
    } else if (std::strcmp(argv[i], "--messages") == 0) {
      plan.messages = true;
    } else {
      std::fprintf(stderr, "usage: %s [--records N] [--batch N] [--messages]\n", argv[0]);
      return 2;
    }
  }
  return run();
}
