// A source and a sink that load well and then break the contract in the way that their
// configuration names: {"do": "null_batch"}. Written against the C tables: the C++ layer would not
// let most of it through.
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "dstream/ext/draft/checks.h"
#include "dstream/ext/draft/snapshot.h"
#include "dstream/ext/draft/status.h"
#include "dstream/host.hpp"

namespace {

[[gnu::noinline]] void throw_something() { throw std::runtime_error("escaped"); }

[[gnu::noinline]] void crash() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

// One table, one row, one batch for everything.
struct Animal {
  explicit Animal(const dstream_host* host_)
      : host(host_), act(dstream::Host(host_).config<std::string>("/do")) {
    columns[0] = {"id", "bigint", DSTREAM_INT64, {}, DSTREAM_COLUMN_KEY, 0, 0};
    schema = {sizeof schema, sizeof columns[0], 1, "db", "dbo", "t", columns, 1, 1, &key};
    value.type = DSTREAM_INT64;
    records.resize(3);
    for (dstream_record& record : records) {
      record.op = DSTREAM_OP_INSERT;
      record.schema = &schema;
      record.after = &value;
    }
    batch.struct_size = sizeof batch;
    batch.record_stride = sizeof(dstream_record);
    batch.records = records.data();
    batch.record_count = static_cast<uint32_t>(records.size());
    batch.release = [](dstream_batch*) noexcept {};
  }
  Animal(const Animal&) = delete;
  Animal& operator=(const Animal&) = delete;

  bool does(const char* what) const { return act == what; }
  void settle(uint64_t id, uint32_t first, uint32_t count,
              dstream_status result = DSTREAM_OK) const {
    host->settle(host, id, first, count, result, nullptr);
  }

  const dstream_host* host;
  std::string act;
  std::string long_text = std::string(DSTREAM_MAX_POSITION + 1, 'x');
  uint32_t key = 0;
  dstream_column columns[1];
  dstream_schema schema{};
  dstream_value value{};
  std::vector<dstream_record> records;
  dstream_batch batch{};
};

struct Source : Animal {
  using Animal::Animal;

  dstream_status read(dstream_batch** out) {
    *out = &batch;
    if (does("null_batch")) *out = nullptr;
    if (does("bad_stride")) batch.record_stride = 12;
    if (does("too_many")) batch.record_count = 1'000'000'000;
    if (does("unknown_op")) records[1].op = 77;
    if (does("no_schema")) records[1].schema = nullptr;
    if (does("no_after")) records[2].after = nullptr;
    if (does("long_position")) records[2].position = dstream::bytes(long_text);
    if (does("no_release")) batch.release = nullptr;
    if (does("batch_with_error")) return DSTREAM_RETRY;
    if (does("unknown_status")) return *out = nullptr, 4711;
    if (does("settle")) settle(0, 0, 1);
    if (does("crash_in_read")) crash();
    if (does("crash_in_thread")) std::thread(crash).join();
    if (does("crash_in_release")) batch.release = [](dstream_batch*) noexcept { crash(); };
    if (does("throw_in_read")) throw_something();
    return DSTREAM_OK;
  }
};

struct Sink : Animal {
  using Animal::Animal;

  dstream_status write(const dstream_delivery* delivery, uint32_t first, uint32_t* accepted) {
    id = delivery->id;
    *accepted = delivery->count - first;
    if (does("accept_more")) *accepted += 1;
    if (does("accept_less")) *accepted -= 1;
    if (does("settle_unaccepted")) {
      settle(id, delivery->count - 1, 1);
      *accepted = 1;
      return DSTREAM_AGAIN;
    }
    if (does("crash_in_write")) crash();
    return does("rejected_from_write") ? DSTREAM_REJECTED : DSTREAM_OK;
  }
  dstream_status poll() const {
    if (does("settle_twice")) settle(id, 0, 2), settle(id, 1, 1);
    if (does("settle_unknown")) settle(id + 1, 0, 1);
    if (does("settle_outside")) settle(id, 0, UINT32_MAX);
    if (does("settle_nonsense")) settle(id, 0, 1, DSTREAM_END);
    if (does("throw_in_poll")) throw_something();
    return DSTREAM_OK;
  }
  uint64_t id = 0;
};

// The extensions are called with either kind of instance.
const Animal& animal(void* self) { return *static_cast<const Animal*>(self); }

dstream_status status(void* self, char* buffer, uint32_t capacity, uint32_t* size) {
  std::string text = animal(self).does("status_array") ? "[1]" : "{\"fine\": true}";
  text.copy(buffer, capacity);
  *size = static_cast<uint32_t>(text.size());
  if (animal(self).does("status_too_long")) *size = UINT32_MAX;
  if (animal(self).does("status_not_utf8")) buffer[2] = '\xff';
  if (animal(self).does("crash_in_status")) crash();
  return animal(self).does("status_unknown") ? 4711 : DSTREAM_OK;
}

dstream_status checks(void* self, dstream_check_emit emit, void* context) {
  auto does = [&](const char* what) { return animal(self).does(what); };
  dstream_check check = {sizeof check, DSTREAM_CHECK_OK, "fine", "", "All is well.", ""};
  std::string endless(DSTREAM_MAX_CHECK_TEXT * 2, 'x');
  if (does("check_bad_id")) check.id = "Not An Id";
  if (does("check_no_sentence")) check.sentence = nullptr;
  if (does("check_small_struct")) check.struct_size = 4;
  if (does("check_endless")) check.sentence = endless.c_str();
  if (does("check_in_thread")) {
    std::thread([&] { emit(context, &check); }).join();
    return DSTREAM_OK;
  }
  uint32_t count = does("check_too_many") ? DSTREAM_MAX_CHECKS + 1 : 1;
  for (uint32_t i = 0; i < count; i++) emit(context, &check);
  if (does("crash_in_checks")) crash();
  if (does("throw_in_checks")) throw_something();
  return does("check_rejected") ? DSTREAM_REJECTED : DSTREAM_OK;
}

constexpr dstream_instance_status kStatus = {
    [](void* self, char* buffer, uint32_t capacity, uint32_t* size, dstream_error*) noexcept {
      return status(self, buffer, capacity, size);
    }};
constexpr dstream_snapshot kSnapshot = {[](void* self, const char*, dstream_error*) noexcept {
  return dstream_status{animal(self).does("snapshot_end") ? DSTREAM_END : DSTREAM_OK};
}};
constexpr dstream_checks kChecks = {
    [](void* self, uint32_t, dstream_check_emit emit, void* context, dstream_error*) noexcept {
      return checks(self, emit, context);
    }};

const void* extension(const char* id) {
  if (std::strcmp(id, DSTREAM_EXT_STATUS) == 0) return &kStatus;
  if (std::strcmp(id, DSTREAM_EXT_SNAPSHOT) == 0) return &kSnapshot;
  return std::strcmp(id, DSTREAM_EXT_CHECKS) == 0 ? &kChecks : nullptr;
}

Source& source(dstream_source* self) { return *reinterpret_cast<Source*>(self); }
Sink& sink(dstream_sink* self) { return *reinterpret_cast<Sink*>(self); }

template <class T, class Handle>
dstream_status create(const dstream_host* host, Handle** out) {
  auto* made = new T(host);
  if (made->does("crash_in_create")) crash();
  if (made->does("throw_in_create")) throw_something();
  if (made->does("null_instance")) {
    delete made;
    *out = nullptr;
    return DSTREAM_OK;
  }
  *out = reinterpret_cast<Handle*>(made);
  return DSTREAM_OK;
}

constexpr dstream_source_api kSourceTable = {
    sizeof(dstream_source_api),
    0,
    [](const dstream_host* host, const char*, dstream_source** out, dstream_error*) noexcept {
      return create<Source>(host, out);
    },
    [](dstream_source*, dstream_bytes, dstream_error*) noexcept {
      return dstream_status{DSTREAM_OK};
    },
    [](dstream_source* self, uint32_t, uint32_t, dstream_batch** out, dstream_error*) noexcept {
      return source(self).read(out);
    },
    nullptr,
    [](dstream_source*) noexcept {},
    [](dstream_source*) noexcept {},
    [](dstream_source* self) noexcept { delete &source(self); },
    [](dstream_source*, const char* id) noexcept { return extension(id); }};

constexpr dstream_sink_api kSinkTable = {
    sizeof(dstream_sink_api),
    0,
    [](const dstream_host* host, const char*, dstream_sink** out, dstream_error*) noexcept {
      return create<Sink>(host, out);
    },
    [](dstream_sink*, dstream_error*) noexcept { return dstream_status{DSTREAM_OK}; },
    [](dstream_sink* self, const dstream_delivery* delivery, uint32_t first, uint32_t* accepted,
       dstream_error*) noexcept { return sink(self).write(delivery, first, accepted); },
    [](dstream_sink* self, uint32_t, dstream_error*) noexcept { return sink(self).poll(); },
    [](dstream_sink*, uint32_t, dstream_error*) noexcept { return dstream_status{DSTREAM_OK}; },
    [](dstream_sink*) noexcept {},
    [](dstream_sink*) noexcept {},
    [](dstream_sink* self) noexcept { delete &sink(self); },
    [](dstream_sink*, const char* id) noexcept { return extension(id); }};

constexpr dstream_connector kSource = {sizeof(dstream_connector),
                                       0,
                                       "zoo-source",
                                       "1.0.0",
                                       "An animal.",
                                       "{}",
                                       &kSourceTable,
                                       nullptr};
constexpr dstream_connector kSink = {
    sizeof(dstream_connector), 0, "zoo-sink", "1.0.0", "An animal.", "{}", nullptr, &kSinkTable};
constexpr const dstream_connector* kList[] = {&kSource, &kSink};

}  // namespace

constinit const dstream_plugin dstream_plugin_v1 = {
    DSTREAM_MAGIC, sizeof(dstream_plugin), 0, 0, "zoo", "DStream", "MIT", "", kList, 2, 0};
