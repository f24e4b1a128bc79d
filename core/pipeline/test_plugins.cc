#include "core/pipeline/test_plugins.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace dstream::core::testing {
namespace {

std::mutex stages_mutex;
// Never destroyed: a thread that a test left behind in a plugin may still use its stage.
std::map<std::string, std::shared_ptr<Stage>, std::less<>>& stages() {
  static auto& all = *new std::map<std::string, std::shared_ptr<Stage>, std::less<>>;
  return all;
}

class TestSource {
 public:
  StopToken stop;

  TestSource(Host, std::string_view config) : stage_(*Stage::find(config)) {
    schema_.column("n", DSTREAM_INT64, "bigint", DSTREAM_COLUMN_KEY).column("text", DSTREAM_STRING);
  }
  void open(std::string_view position) {
    if (stage_.before_open) {
      stage_.before_open();
    }
    std::lock_guard lock(stage_.mutex);
    stage_.opened_at.emplace_back(position);
    next_ = position.empty() ? 1 : std::stoll(std::string(position)) + 1;
  }
  std::optional<BatchBuilder> read(uint32_t max_records, Millis max_wait) {
    if (stage_.before_read) {
      stage_.before_read(next_);
    }
    if (next_ > stage_.source_records) {
      stage_.idle.set();
      if (stage_.source_ends) {
        throw ::dstream::Error(DSTREAM_END, "");
      }
      stop.wait_for(max_wait);
      return std::nullopt;
    }
    BatchBuilder batch;
    std::string text(stage_.payload_bytes, 'x');
    for (uint32_t i = 0; i < std::min(max_records, stage_.batch_records); ++i) {
      if (next_ > stage_.source_records) {
        break;
      }
      auto row = batch.row(schema_);
      row.int64(next_).string(text);
      auto& record = batch.add(DSTREAM_OP_INSERT, schema_, std::to_string(next_++));
      record.after = row.values();
      record.commit_time_ns = next_;
    }
    return batch;
  }
  void commit(std::string_view position) {
    std::lock_guard lock(stage_.mutex);
    stage_.committed.emplace_back(position);
  }
  void close() {}

 private:
  Stage& stage_;
  Schema schema_{"dbo", "numbers"};
  int64_t next_ = 1;
};

class TestSink {
 public:
  StopToken stop;

  TestSink(Host host, std::string_view config) : host_(host), stage_(*Stage::find(config)) {}
  TestSink(TestSink&&) = delete;
  ~TestSink() { close(); }

  void open() {
    if (stage_.sink_waits_in_open) {
      stage_.sink_opens.set();
      stop.wait_for(Millis(60'000));
      throw ::dstream::Error(stop.stopped() ? DSTREAM_CANCELLED : DSTREAM_REOPEN, "");
    }
  }
  uint32_t write(const Delivery& delivery, uint32_t first) {
    if (stage_.before_write) {
      stage_.before_write();
    }
    for (uint32_t i = first; i < delivery.count(); ++i) {
      const char* topic = delivery.raw()->messages == nullptr ? "" : delivery.message(i).topic;
      stage_.deliver(delivery.record(i).after[0].as.i64, topic);
    }
    if (!stage_.settle_from_thread) {
      host_.settle(delivery.id(), first, delivery.count() - first);
      return delivery.count() - first;
    }
    join();
    settler_ = std::thread([this, id = delivery.id(), first, count = delivery.count()] {
      for (uint32_t i = first; i < count; ++i) {
        host_.settle(id, i, 1);
      }
    });
    return delivery.count() - first;
  }
  void poll(Millis) {}
  bool flush(Millis) {
    join();
    return true;
  }
  void close() { join(); }

 private:
  void join() {
    if (settler_.joinable()) {
      settler_.join();
    }
  }
  Host host_;
  Stage& stage_;
  std::thread settler_;
};

constexpr const char* kSchema = R"({"type": "object"})";

}  // namespace

std::shared_ptr<Stage> Stage::make(std::string* config_json) {
  std::lock_guard lock(stages_mutex);
  *config_json = R"({"stage": ")" + std::to_string(stages().size()) + R"("})";
  return stages()[*config_json] = std::make_shared<Stage>();
}

Stage* Stage::find(std::string_view config_json) {
  std::lock_guard lock(stages_mutex);
  return stages().find(config_json)->second.get();
}

void Stage::deliver(int64_t number, const char* topic) {
  std::lock_guard lock(mutex);
  delivered.push_back(number);
  if (*topic != '\0' && (topics.empty() || topics.back() != topic)) {
    topics.emplace_back(topic);
  }
  if (delivered.size() >= enough) {
    delivered_enough.set();
  }
}

const PluginRegistry& test_registry() {
  static constexpr dstream_connector source =
      dstream::source<TestSource>("test-source", "1.0.0", "Counts.", kSchema);
  static constexpr dstream_connector records =
      dstream::record_sink<TestSink>("test-records", "1.0.0", "Takes records.", kSchema);
  static constexpr dstream_connector messages =
      dstream::message_sink<TestSink>("test-messages", "1.0.0", "Takes messages.", kSchema);
  static constexpr const dstream_connector* list[] = {&source, &records, &messages};
  static constexpr dstream_plugin plugin = {DSTREAM_MAGIC,
                                            sizeof(dstream_plugin),
                                            DSTREAM_ABI_MINOR,
                                            0,
                                            "test",
                                            "DStream",
                                            "MIT",
                                            "test",
                                            list,
                                            3,
                                            0};
  static const PluginRegistry registry = [] {
    PluginRegistry made;
    auto added = made.add(plugin);
    if (!added) {
      std::fprintf(stderr, "%s\n", added.error().text().c_str());
      std::abort();
    }
    return made;
  }();
  return registry;
}

void MemoryLog::write(LogLevel, std::string_view message, std::span<const LogField> fields) {
  std::string line(message);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=").append(field.value);
  }
  std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
}

int64_t MemoryLog::count(std::string_view text) const {
  std::lock_guard lock(mutex_);
  return std::count_if(lines_.begin(), lines_.end(), [&](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

}  // namespace dstream::core::testing
