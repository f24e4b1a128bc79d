#include "tests/simulation/connectors.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "dstream/ext/draft/transactions.h"
#include "tests/simulation/connector_parts.h"
#include "tests/simulation/letter_broker.h"
#include "tests/simulation/world.h"

// The type that the ABI leaves to the plugin.
struct dstream_source {
  uint64_t epoch = 0;
  int64_t next = 0;
  bool stopping = false;
};

namespace dstream::simulation {
namespace {

dstream_bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// ---- source -------------------------------------------------------------------------------------

const dstream_schema& schema() {
  static constexpr uint32_t key_columns[] = {0};
  static const dstream_column columns[] = {
      {"change", "bigint", DSTREAM_INT64, {}, DSTREAM_COLUMN_KEY, 0, 0},
      {"key", "bigint", DSTREAM_INT64, {}, 0, 0, 0}};
  static const dstream_schema out = {sizeof(dstream_schema),
                                     sizeof(dstream_column),
                                     1,
                                     "db",
                                     "dbo",
                                     "t",
                                     columns,
                                     2,
                                     1,
                                     key_columns};
  return out;
}

// A batch and its memory. After release it is kept, spoiled, until the simulation ends, so that a
// late look at it is noticed and not undefined.
struct SimBatch {
  dstream_batch raw{};
  std::vector<dstream_record> records;
  std::vector<std::array<dstream_value, 2>> values;
  std::vector<std::string> texts;
  std::vector<dstream_field> headers;
  bool released = false;
};

thread_local std::vector<std::unique_ptr<SimBatch>> batches;

void release(dstream_batch* raw) noexcept {
  auto* batch = static_cast<SimBatch*>(raw->plugin_data);
  if (batch->released) {
    std::fprintf(stderr, "I7: a batch was released twice\n");
    std::abort();
  }
  batch->released = true;
  for (auto& pair : batch->values) {
    pair[0].as.i64 = pair[1].as.i64 = -7;
  }
  std::memset(static_cast<void*>(batch->records.data()), 0xEE,
              batch->records.size() * sizeof(dstream_record));
  if (World* world = World::current()) {
    world->batch_released(raw->byte_size);
  }
}

dstream_batch* make_batch(World& world, int64_t first, int64_t count) {
  auto batch = std::make_unique<SimBatch>();
  auto size = static_cast<size_t>(count);
  batch->records.resize(size);
  batch->values.resize(size);
  batch->headers.resize(size);
  batch->texts.resize(size * 2);
  for (size_t i = 0; i < size; ++i) {
    int64_t index = first + static_cast<int64_t>(i);
    const Change& change = world.scenario.log[static_cast<size_t>(index)];
    dstream_record& record = batch->records[i];
    batch->values[i][0].type = batch->values[i][1].type = DSTREAM_INT64;
    batch->values[i][0].as.i64 = index;
    batch->values[i][1].as.i64 = change.key;
    record.op = change.watermark ? DSTREAM_OP_WATERMARK
                : change.deletes ? DSTREAM_OP_DELETE
                                 : DSTREAM_OP_INSERT;
    if (!change.watermark) {
      record.schema = &schema();
      (change.deletes ? record.before : record.after) = batch->values[i].data();
    }
    if (change.resumable) {
      batch->texts[i * 2] = std::to_string(index + 1);
      record.position = bytes_of(batch->texts[i * 2]);
    }
    batch->texts[i * 2 + 1] = std::to_string(index);
    batch->headers[i] = {"change", bytes_of(batch->texts[i * 2 + 1])};
    record.headers = &batch->headers[i];
    record.header_count = 1;
    record.commit_time_ns = world.clock.wall_ns();
  }
  batch->raw.struct_size = sizeof batch->raw;
  batch->raw.record_stride = sizeof(dstream_record);
  batch->raw.records = batch->records.data();
  batch->raw.record_count = static_cast<uint32_t>(count);
  batch->raw.byte_size = size * (sizeof(dstream_record) + world.scenario.row_bytes);
  batch->raw.release = release;
  batch->raw.plugin_data = batch.get();
  world.batch_made(batch->raw.byte_size);
  batches.push_back(std::move(batch));
  return &batches.back()->raw;
}

dstream_status source_create(const dstream_host*, const char*, dstream_source** out,
                             dstream_error*) noexcept {
  *out = new dstream_source{World::current()->epoch};
  return DSTREAM_OK;
}

dstream_status source_open(dstream_source* self, dstream_bytes position,
                           dstream_error* error) noexcept {
  World& world = *World::current();
  return judged([&] {
    std::string text(reinterpret_cast<const char*>(position.data), position.size);
    if (!world.calm && world.random.chance(world.scenario.source_fails)) {
      return fail_somehow(world, error);
    }
    int64_t next = text.empty() ? world.oldest() : std::stoll(text);
    if (next < world.oldest()) {
      world.note("source has lost " + text);
      return say(error, DSTREAM_DATA_LOSS, "The changes are gone.");
    }
    world.opened(text);
    self->next = next;
    self->stopping = false;
    return dstream_status{DSTREAM_OK};
  });
}

dstream_status source_read(dstream_source* self, uint32_t max_records, uint32_t,
                           dstream_batch** out, dstream_error* error) noexcept {
  World& world = *World::current();
  return judged([&]() -> dstream_status {
    const std::vector<Change>& log = world.scenario.log;
    bool inside = self->next > 0 && !log[static_cast<size_t>(self->next - 1)].resumable;
    if (self->stopping && !inside) {
      return DSTREAM_CANCELLED;
    }
    if (!world.calm && world.random.chance(world.scenario.source_fails)) {
      return fail_somehow(world, error);
    }
    if (self->next < world.oldest()) {
      return say(error, DSTREAM_DATA_LOSS, "The changes are gone.");
    }
    if (!self->stopping && !world.calm && world.random.chance(80)) {
      world.call_ended(World::Caller::kRead, true);
      return DSTREAM_AGAIN;  // Also inside a transaction: the rest is still on its way.
    }
    if (self->next == world.available()) {
      bool all = self->next == static_cast<int64_t>(log.size());
      world.call_ended(World::Caller::kRead, true);
      return all && world.scenario.ends ? DSTREAM_END : DSTREAM_AGAIN;
    }
    int64_t count =
        std::min<int64_t>(world.available() - self->next, world.random.between(1, max_records));
    *out = make_batch(world, self->next, count);
    world.note("read " + std::to_string(self->next) + ".." +
               std::to_string(self->next + count - 1));
    self->next += count;
    world.call_ended(World::Caller::kRead, false);
    world.call_ended(World::Caller::kPoll, false);  // the batch wakes the sink worker
    world.read_up_to(self->next);
    return DSTREAM_OK;
  });
}

dstream_status source_commit(dstream_source*, dstream_bytes position,
                             dstream_error* error) noexcept {
  World& world = *World::current();
  return judged([&] {
    if (!world.calm && world.random.chance(world.scenario.source_fails)) {
      return fail_somehow(world, error);
    }
    world.commit(std::string(reinterpret_cast<const char*>(position.data), position.size));
    return dstream_status{DSTREAM_OK};
  });
}

void source_stop(dstream_source* self) noexcept { self->stopping = true; }
void source_close(dstream_source* self) noexcept {
  self->stopping = false;
  World::current()->closed();
}
void source_destroy(dstream_source* self) noexcept { delete self; }

// ---- sink ---------------------------------------------------------------------------------------

dstream_status sink_create(const dstream_host* host, const char*, dstream_sink** out,
                           dstream_error*) noexcept {
  *out = new dstream_sink{host, World::current()->epoch};
  return DSTREAM_OK;
}

void settle(const dstream_sink* self, const World::InFlight& item, dstream_status status) {
  dstream_error error{};
  error.struct_size = sizeof error;
  if (status != DSTREAM_OK) {
    say(&error, status, status == DSTREAM_RETRY ? "Not now." : "Never.");
  }
  World::current()->note("settled: change " + std::to_string(item.change) + " with " +
                         std::to_string(status));
  self->host->settle(self->host, item.delivery_id, item.item, 1, status, &error);
}

dstream_status sink_open(dstream_sink* self, dstream_error* error) noexcept {
  World& world = *World::current();
  if (!world.calm && world.random.chance(world.scenario.sink_fails)) {
    return fail_somehow(world, error);
  }
  world.note("sink opened");
  world.settle_now = [self](const World::InFlight& item, dstream_status status) {
    settle(self, item, status);
  };
  return DSTREAM_OK;
}

World::InFlight item_of(World& world, const dstream_delivery* delivery, uint32_t index) {
  World::InFlight item{};
  item.delivery_id = delivery->id;
  item.item = index;
  uint32_t record_index = index;
  if (delivery->messages != nullptr) {
    const dstream_message& message = *DSTREAM_MESSAGE_AT(delivery, index);
    record_index = message.record;
    item.tombstone = message.value.data == nullptr;
    item.text = {reinterpret_cast<const char*>(message.key.data), message.key.size};
  }
  const dstream_record& record = *DSTREAM_RECORD_AT(delivery, record_index);
  if (record.op == DSTREAM_OP_WATERMARK) {
    world.violated("A sink was shown a watermark");
  }
  item.proof = record.after != nullptr ? record.after : record.before;
  item.change = item.proof->as.i64;
  item.partition = world.partition_of(item.change);
  return item;
}

dstream_status sink_write(dstream_sink* self, const dstream_delivery* delivery, uint32_t first,
                          uint32_t* accepted, dstream_error* error) noexcept {
  World& world = *World::current();
  return judged([&]() -> dstream_status {
    *accepted = 0;
    bool fails = !world.calm && world.random.chance(world.scenario.sink_fails);
    uint64_t fails_after = fails ? world.random.below(5) : UINT64_MAX;
    for (uint32_t i = first; i < delivery->count; ++i) {
      if (*accepted == fails_after) {
        return fail_somehow(world, error);
      }
      if (world.undecided() >= world.scenario.sink_capacity) {
        world.call_ended(World::Caller::kWrite, *accepted == 0);
        return DSTREAM_AGAIN;
      }
      world.in_flight().push_back(item_of(world, delivery, i));
      ++*accepted;
      world.call_ended(World::Caller::kWrite, false);
      world.call_ended(World::Caller::kPoll, false);
      if (world.scenario.settles_in_write) {
        world.serve(true, [self](const World::InFlight& item, dstream_status status) {
          settle(self, item, status);
        });
      }
    }
    return *accepted == fails_after ? fail_somehow(world, error) : dstream_status{DSTREAM_OK};
  });
}

dstream_status serve(dstream_sink* self, bool everything, dstream_error* error) {
  World& world = *World::current();
  return judged([&]() -> dstream_status {
    if (!world.calm && world.random.chance(world.scenario.sink_fails)) {
      return fail_somehow(world, error);
    }
    bool any = world.serve(everything, [self](const World::InFlight& item, dstream_status status) {
      settle(self, item, status);
    });
    world.call_ended(World::Caller::kPoll, !any);
    world.recover_partitions();
    if (everything && world.exactly_once()) {
      world.violated("flush() in a transaction");
    }
    if (everything) {
      return world.in_flight().empty() ? DSTREAM_OK : DSTREAM_AGAIN;
    }
    return any ? DSTREAM_OK : DSTREAM_AGAIN;
  });
}

dstream_status sink_poll(dstream_sink* self, uint32_t, dstream_error* error) noexcept {
  return serve(self, false, error);
}
dstream_status sink_flush(dstream_sink* self, uint32_t, dstream_error* error) noexcept {
  return serve(self, true, error);
}

void sink_stop(dstream_sink*) noexcept {}

// ---- transactions -------------------------------------------------------------------------------

dstream_status sink_use(void*, const char*, dstream_error*) noexcept { return DSTREAM_OK; }

dstream_status sink_committed(void*, uint8_t* buffer, uint32_t, uint32_t* size,
                              dstream_error* error) noexcept {
  World& world = *World::current();
  if (!world.calm && world.random.chance(world.scenario.sink_fails)) {
    return fail_somehow(world, error);
  }
  const std::string& found = world.sink_checkpoint();
  std::copy(found.begin(), found.end(), buffer);
  *size = static_cast<uint32_t>(found.size());
  return DSTREAM_OK;
}

dstream_status sink_begin(void*, dstream_error* error) noexcept {
  World& world = *World::current();
  bool fails = !world.calm && world.random.chance(world.scenario.sink_fails);
  return fails ? fail_somehow(world, error) : dstream_status{DSTREAM_OK};
}

dstream_status sink_commit(void* instance, dstream_bytes checkpoint, uint32_t,
                           dstream_error* error) noexcept {
  World& world = *World::current();
  const auto* self = static_cast<const dstream_sink*>(instance);
  return judged([&]() -> dstream_status {
    bool fails = !world.calm && world.random.chance(world.scenario.sink_fails);
    if (fails && world.random.chance(500)) {
      return fail_somehow(world, error);
    }
    bool told = world.serve(true, [self](const World::InFlight& item, dstream_status status) {
      settle(self, item, status);
    });
    if (told || !world.all_delivered() || world.random.chance(100)) {
      world.call_ended(World::Caller::kPoll, !told);
      return DSTREAM_AGAIN;
    }
    world.call_ended(World::Caller::kPoll, false);
    world.commit_transaction(
        std::string(reinterpret_cast<const char*>(checkpoint.data), checkpoint.size));
    if (fails) {
      return fail_somehow(world, error);  // It is committed; the answer is lost.
    }
    for (const World::InFlight& item : world.take_committed()) {
      settle(self, item, DSTREAM_OK);
    }
    return DSTREAM_OK;
  });
}

const void* sink_extension(dstream_sink*, const char* id) noexcept {
  static constexpr dstream_transactions table = {sink_use, sink_committed, sink_begin, sink_commit};
  return std::string_view(id) == DSTREAM_EXT_TRANSACTIONS ? &table : nullptr;
}

void sink_close(dstream_sink* self) noexcept {
  World& world = *World::current();
  if (self->epoch != world.epoch) {
    return;  // The machine stopped; this instance only frees its memory.
  }
  judged([&] {
    if (world.random.chance(300)) {
      world.serve(false, [self](const World::InFlight& item, dstream_status status) {
        settle(self, item, status);
      });
    }
    world.note("sink closed");
    world.end_session();
    return dstream_status{DSTREAM_OK};
  });
}

void sink_destroy(dstream_sink* self) noexcept { delete self; }

// ---- encoder ------------------------------------------------------------------------------------

class SimEncoder final : public core::Encoder {
 public:
  core::Result<void> encode(const dstream_record& record, uint32_t record_index, core::Arena& arena,
                            std::vector<dstream_message>& out) override {
    const dstream_value* values = record.after != nullptr ? record.after : record.before;
    int64_t change = values->as.i64;
    const Change& facts = World::current()->scenario.log[static_cast<size_t>(change)];
    if (facts.unencodable) {
      return core::fail("DS-ENCODE-SIM", "It cannot be encoded.");
    }
    std::string_view text = arena.copy("c" + std::to_string(change));
    dstream_message message{};
    message.topic = "topic";
    message.partition = -1;
    message.key = {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
    message.value = message.key;
    message.record = record_index;
    out.push_back(message);
    if (facts.deletes) {
      message.value = {};
      out.push_back(message);
    }
    return {};
  }
};

constexpr dstream_source_api kSource = {sizeof(dstream_source_api),
                                        0,
                                        source_create,
                                        source_open,
                                        source_read,
                                        source_commit,
                                        source_stop,
                                        source_close,
                                        source_destroy,
                                        nullptr};
constexpr dstream_sink_api kSink = {sizeof(dstream_sink_api),
                                    0,
                                    sink_create,
                                    sink_open,
                                    sink_write,
                                    sink_poll,
                                    sink_flush,
                                    sink_stop,
                                    sink_close,
                                    sink_destroy,
                                    sink_extension};
constexpr const char* kSchemaText = R"({"type": "object"})";

}  // namespace

const core::PluginRegistry& connectors() {
  static constexpr dstream_connector source = {sizeof(dstream_connector),
                                               0,
                                               "sim-source",
                                               "1.0.0",
                                               "Simulated.",
                                               kSchemaText,
                                               &kSource,
                                               nullptr};
  static constexpr dstream_connector messages = {sizeof(dstream_connector),
                                                 DSTREAM_CONNECTOR_MESSAGES,
                                                 "sim-messages",
                                                 "1.0.0",
                                                 "Simulated.",
                                                 kSchemaText,
                                                 nullptr,
                                                 &kSink};
  static constexpr dstream_connector records = {sizeof(dstream_connector),
                                                0,
                                                "sim-records",
                                                "1.0.0",
                                                "Simulated.",
                                                kSchemaText,
                                                nullptr,
                                                &kSink};
  static const dstream_connector* const list[] = {&source, &messages, &records,
                                                  &letter_connector()};
  static const dstream_plugin plugin = {DSTREAM_MAGIC,
                                        sizeof(dstream_plugin),
                                        DSTREAM_ABI_MINOR,
                                        0,
                                        "sim",
                                        "DStream",
                                        "MIT",
                                        "sim",
                                        list,
                                        4,
                                        0};
  static const core::PluginRegistry registry = [] {
    core::PluginRegistry made;
    if (auto added = made.add(plugin); !added) {
      std::fprintf(stderr, "%s\n", added.error().text().c_str());
      std::abort();
    }
    return made;
  }();
  return registry;
}

std::unique_ptr<core::Encoder> make_sim_encoder() { return std::make_unique<SimEncoder>(); }

void forget_batches() { batches.clear(); }

}  // namespace dstream::simulation
