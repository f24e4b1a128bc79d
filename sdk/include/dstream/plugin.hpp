// Header-only C++20 layer over dstream/abi.h for people who write plugins.
//
// A source or sink is an ordinary class; exceptions are fine inside it. The
// layer turns them into dstream_error, owns batch memory, and fills the tables.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dstream/abi.h"

namespace dstream {

using Millis = std::chrono::milliseconds;

// Throw this to end a call with a particular status.
class Error : public std::runtime_error {
 public:
  Error(dstream_status status_, const std::string& message, int32_t vendor_code_ = 0,
        Millis retry_after_ = Millis{0})
      : std::runtime_error(message), status(status_), vendor_code(vendor_code_),
        retry_after(retry_after_) {}
  dstream_status status;
  int32_t vendor_code;
  Millis retry_after;
};

inline dstream_bytes bytes(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline std::string_view view(dstream_bytes b) {
  return {reinterpret_cast<const char*>(b.data), b.size};
}

// The host as one instance sees it. Copyable; valid as long as the instance.
class Host {
 public:
  explicit Host(const dstream_host* host) : host_(host) {}

  template <class T>
  T config(const char* pointer) const {
    auto* ext = static_cast<const dstream_config*>(
        host_->get_extension(host_, DSTREAM_EXT_CONFIG));
    dstream_value v{};
    if (ext == nullptr || ext->get(host_, pointer, &v) != DSTREAM_OK)
      throw Error(DSTREAM_CONFIG, std::string(pointer) + ": missing");
    if constexpr (std::is_same_v<T, bool>) {
      if (v.type == DSTREAM_BOOL) return v.as.i64 != 0;
    } else if constexpr (std::integral<T>) {
      if (v.type == DSTREAM_INT64) return static_cast<T>(v.as.i64);
    } else if constexpr (std::floating_point<T>) {
      if (v.type == DSTREAM_FLOAT64) return static_cast<T>(v.as.f64);
      if (v.type == DSTREAM_INT64) return static_cast<T>(v.as.i64);
    } else {
      if (v.type == DSTREAM_STRING)
        return T(reinterpret_cast<const char*>(v.as.data), v.size);
    }
    throw Error(DSTREAM_CONFIG, std::string(pointer) + ": wrong type");
  }

  template <class T>
  T config_or(const char* pointer, T fallback) const {
    auto* ext = static_cast<const dstream_config*>(
        host_->get_extension(host_, DSTREAM_EXT_CONFIG));
    dstream_value v{};
    if (ext == nullptr || ext->get(host_, pointer, &v) != DSTREAM_OK) return fallback;
    return config<T>(pointer);
  }

  bool logs(dstream_log_level level) const { return level >= host_->log_level(host_); }
  void log(dstream_log_level level, const std::string& message) const {
    if (level >= host_->log_level(host_))
      host_->log(host_, level, message.c_str(), nullptr, 0);
  }
  void settle(uint64_t delivery, uint32_t first, uint32_t count,
              dstream_status result = DSTREAM_OK, const dstream_error* e = nullptr) const {
    host_->settle(host_, delivery, first, count, result, e);
  }
  const dstream_host* raw() const { return host_; }

 private:
  const dstream_host* host_;
};

// Cancellation for one instance; read() may sleep on it.
class StopToken {
 public:
  void request() noexcept {
    { std::lock_guard lock(mutex_); stopped_ = true; }
    wake_.notify_all();
  }
  void reset() { std::lock_guard lock(mutex_); stopped_ = false; }
  bool stopped() const { std::lock_guard lock(mutex_); return stopped_; }
  // Sleeps until `d` has passed or a stop is requested; true if stopped.
  bool wait_for(Millis d) {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, d, [this] { return stopped_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
};

// Describes a table once; records refer to it.
class Schema {
 public:
  Schema(std::string name_space, std::string name) {
    static std::atomic<uint64_t> next{1};
    raw_ = {};
    raw_.struct_size = sizeof raw_;
    raw_.column_stride = sizeof(dstream_column);
    raw_.id = next++;
    raw_.database = "";
    raw_.name_space = keep(std::move(name_space));
    raw_.name = keep(std::move(name));
  }
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  Schema& column(std::string name, dstream_type type, std::string source_type = "",
                 uint32_t flags = DSTREAM_COLUMN_NULLABLE) {
    if (flags & DSTREAM_COLUMN_KEY) keys_.push_back(static_cast<uint32_t>(columns_.size()));
    dstream_column c{};
    c.name = keep(std::move(name));
    c.source_type = keep(std::move(source_type));
    c.type = type;
    c.flags = flags;
    columns_.push_back(c);
    raw_.columns = columns_.data();
    raw_.column_count = static_cast<uint32_t>(columns_.size());
    raw_.key_columns = keys_.data();
    raw_.key_count = static_cast<uint32_t>(keys_.size());
    return *this;
  }
  const dstream_schema* raw() const { return &raw_; }

 private:
  const char* keep(std::string s) { return text_.emplace_back(std::move(s)).c_str(); }
  dstream_schema raw_;
  std::deque<std::string> text_;
  std::vector<dstream_column> columns_;
  std::vector<uint32_t> keys_;
};

// Builds one batch. All its memory is one arena, freed in one step.
class BatchBuilder {
 public:
  BatchBuilder() : block_(std::make_unique<Block>()) {}

  // Writes one row of values; hand the result to add() as before or after.
  class Row {
   public:
    Row(std::pmr::memory_resource* arena, const dstream_schema* schema)
        : arena_(arena), end_(schema->column_count),
          values_(static_cast<dstream_value*>(arena->allocate(
              sizeof(dstream_value) * end_, alignof(dstream_value)))) {
      std::memset(values_, 0, sizeof(dstream_value) * end_);
    }
    Row& null() { next(DSTREAM_NULL); return *this; }
    Row& absent() { next(DSTREAM_ABSENT); return *this; }
    Row& boolean(bool v) { next(DSTREAM_BOOL).as.i64 = v; return *this; }
    Row& int64(int64_t v) { next(DSTREAM_INT64).as.i64 = v; return *this; }
    Row& float64(double v) { next(DSTREAM_FLOAT64).as.f64 = v; return *this; }
    Row& string(std::string_view v) { return text(DSTREAM_STRING, v); }
    Row& decimal(std::string_view v) { return text(DSTREAM_DECIMAL, v); }
    Row& binary(std::string_view v) { return text(DSTREAM_BYTES, v); }
    Row& timestamp(int64_t seconds, int32_t nanos) {
      auto& v = next(DSTREAM_TIMESTAMP);
      v.as.time.seconds = seconds;
      v.as.time.nanos = nanos;
      return *this;
    }
    Row& uuid(const uint8_t (&v)[16]) {
      std::memcpy(next(DSTREAM_UUID).as.uuid, v, 16);
      return *this;
    }
    const dstream_value* values() const { return values_; }

   private:
    dstream_value& next(dstream_type type) {
      if (at_ == end_) throw std::out_of_range("more values than columns");
      values_[at_].type = type;
      return values_[at_++];
    }
    Row& text(dstream_type type, std::string_view v) {
      auto& slot = next(type);
      auto* copy = static_cast<uint8_t*>(arena_->allocate(v.size() + 1, 1));
      std::memcpy(copy, v.data(), v.size());
      slot.size = static_cast<uint32_t>(v.size());
      slot.as.data = copy;
      return *this;
    }
    std::pmr::memory_resource* arena_;
    uint32_t end_, at_ = 0;
    dstream_value* values_;
  };

  Row row(const Schema& schema) { return Row(&block_->arena, schema.raw()); }

  dstream_record& add(dstream_op op, const Schema& schema, std::string_view position) {
    dstream_record& r = block_->records.emplace_back();
    r = {};
    r.op = op;
    r.schema = schema.raw();
    auto* p = static_cast<uint8_t*>(block_->arena.allocate(position.size() + 1, 1));
    std::memcpy(p, position.data(), position.size());
    r.position = {p, position.size()};
    return r;
  }
  size_t size() const { return block_->records.size(); }
  bool empty() const { return block_->records.empty(); }

  dstream_batch* finish() {
    Block* b = block_.release();
    b->raw = {};
    b->raw.struct_size = sizeof b->raw;
    b->raw.record_stride = sizeof(dstream_record);
    b->raw.records = b->records.data();
    b->raw.record_count = static_cast<uint32_t>(b->records.size());
    b->raw.byte_size = b->counter.total + b->records.capacity() * sizeof(dstream_record);
    b->raw.release = [](dstream_batch* raw) noexcept { delete static_cast<Block*>(raw->plugin_data); };
    b->raw.plugin_data = b;
    return &b->raw;
  }

 private:
  struct Counting final : std::pmr::memory_resource {
    size_t total = 0;
    void* do_allocate(size_t n, size_t a) override { total += n; return ::operator new(n, std::align_val_t(a)); }
    void do_deallocate(void* p, size_t, size_t a) override { ::operator delete(p, std::align_val_t(a)); }
    bool do_is_equal(const memory_resource& o) const noexcept override { return this == &o; }
  };
  struct Block {
    dstream_batch raw;
    Counting counter;
    std::pmr::monotonic_buffer_resource arena{4096, &counter};
    std::vector<dstream_record> records;
  };
  std::unique_ptr<Block> block_;
};

// What a delivery looks like to a sink: messages or records, in order.
class Delivery {
 public:
  explicit Delivery(const dstream_delivery* raw) : raw_(raw) {}
  uint64_t id() const { return raw_->id; }
  uint32_t count() const { return raw_->count; }
  // REQUIRES: index < count(), and the sink asked for messages.
  const dstream_message& message(uint32_t index) const {
    return *DSTREAM_MESSAGE_AT(raw_, index);
  }
  // The record of item `index`, whichever kind the items are.
  const dstream_record& record(uint32_t index) const {
    return *DSTREAM_RECORD_AT(raw_, raw_->messages == nullptr ? index : message(index).record);
  }
  const dstream_delivery* raw() const { return raw_; }

 private:
  const dstream_delivery* raw_;
};

namespace detail {
// A plugin class may be made from (Host) or from (Host, config JSON text).
template <class T>
concept Makeable = std::constructible_from<T, Host> ||
                   std::constructible_from<T, Host, std::string_view>;
template <Makeable T>
struct Box {
  Box(const dstream_host* host, const char* config) : impl(make(host, config)) {}
  static T make(const dstream_host* host, const char* config) {
    if constexpr (std::constructible_from<T, Host, std::string_view>)
      return T(Host(host), std::string_view(config));
    else
      return T(Host(host));
  }
  T impl;
};
}  // namespace detail

// What a sink class must look like. `write` returns how many items it took, starting at `first`;
// fewer than there are means full. `poll` serves delivery reports; `flush` is true when nothing is
// in flight any more. `stop` (a StopToken) is optional.
template <class S>
concept SinkLike = detail::Makeable<S> &&
                   requires(S s, const Delivery& delivery, uint32_t first, Millis wait) {
  s.open();
  { s.write(delivery, first) } -> std::same_as<uint32_t>;
  s.poll(wait);
  { s.flush(wait) } -> std::same_as<bool>;
  s.close();
};

// What a source class must look like.
template <class S>
concept SourceLike = detail::Makeable<S> &&
                     requires(S s, std::string_view p, uint32_t n, Millis d) {
  s.open(p);
  { s.read(n, d) } -> std::same_as<std::optional<BatchBuilder>>;  // nullopt: nothing yet
  s.close();
};

namespace detail {

inline dstream_status fill(dstream_error* out, dstream_status status, const char* what,
                           int32_t vendor_code = 0, uint32_t retry_ms = 0) noexcept {
  if (out != nullptr && out->struct_size >= sizeof(dstream_error)) {
    out->vendor_code = vendor_code;
    out->retry_after_ms = retry_ms;
    out->sqlstate[0] = '\0';
    size_t n = std::strlen(what);
    if (n >= sizeof out->message) n = sizeof out->message - 1;
    std::memcpy(out->message, what, n);
    out->message[n] = '\0';
  }
  return status;
}

// Runs `body`; nothing it throws gets past here.
template <class F>
dstream_status guard(dstream_error* out, F&& body) noexcept {
  try {
    return body();
  } catch (const Error& e) {
    return fill(out, e.status, e.what(), e.vendor_code,
                static_cast<uint32_t>(e.retry_after.count()));
  } catch (const std::bad_alloc&) {
    return fill(out, DSTREAM_RETRY, "out of memory");
  } catch (const std::exception& e) {
    return fill(out, DSTREAM_FATAL, e.what());
  } catch (...) {
    return fill(out, DSTREAM_FATAL, "unknown exception");
  }
}

template <SourceLike S>
struct SourceTable {
  using Box = detail::Box<S>;
  static S& impl(dstream_source* s) { return reinterpret_cast<Box*>(s)->impl; }

  static dstream_status create(const dstream_host* host, const char* config,
                               dstream_source** out, dstream_error* e) noexcept {
    return guard(e, [&] {
      *out = reinterpret_cast<dstream_source*>(new Box(host, config));
      return DSTREAM_OK;
    });
  }
  static dstream_status open(dstream_source* s, dstream_bytes position, dstream_error* e) noexcept {
    return guard(e, [&] {
      if constexpr (requires { impl(s).stop.reset(); }) impl(s).stop.reset();
      impl(s).open(view(position));
      return DSTREAM_OK;
    });
  }
  static dstream_status read(dstream_source* s, uint32_t max_records, uint32_t max_wait_ms,
                             dstream_batch** out, dstream_error* e) noexcept {
    return guard(e, [&]() -> dstream_status {
      *out = nullptr;
      auto batch = impl(s).read(max_records, Millis(max_wait_ms));
      if (batch && !batch->empty()) {
        *out = batch->finish();
        return DSTREAM_OK;
      }
      if constexpr (requires { impl(s).stop.stopped(); })
        if (impl(s).stop.stopped()) return DSTREAM_CANCELLED;
      return DSTREAM_AGAIN;
    });
  }
  static dstream_status commit(dstream_source* s, dstream_bytes position, dstream_error* e) noexcept {
    return guard(e, [&] {
      if constexpr (requires { impl(s).commit(view(position)); }) impl(s).commit(view(position));
      return DSTREAM_OK;
    });
  }
  static void request_stop(dstream_source* s) noexcept {
    if constexpr (requires { impl(s).stop.request(); }) impl(s).stop.request();
  }
  static void close(dstream_source* s) noexcept {
    guard(nullptr, [&] { impl(s).close(); return DSTREAM_OK; });
  }
  static void destroy(dstream_source* s) noexcept {
    guard(nullptr, [&] { delete reinterpret_cast<Box*>(s); return DSTREAM_OK; });
  }

  static constexpr dstream_source_api table = {
      sizeof(dstream_source_api), 0, &create, &open, &read, &commit,
      &request_stop, &close, &destroy, nullptr};
};

template <SinkLike S>
struct SinkTable {
  using Box = detail::Box<S>;
  static S& impl(dstream_sink* s) { return reinterpret_cast<Box*>(s)->impl; }

  static dstream_status create(const dstream_host* host, const char* config, dstream_sink** out,
                               dstream_error* e) noexcept {
    return guard(e, [&] {
      *out = reinterpret_cast<dstream_sink*>(new Box(host, config));
      return DSTREAM_OK;
    });
  }
  static dstream_status open(dstream_sink* s, dstream_error* e) noexcept {
    return guard(e, [&] {
      if constexpr (requires { impl(s).stop.reset(); }) impl(s).stop.reset();
      impl(s).open();
      return DSTREAM_OK;
    });
  }
  static dstream_status write(dstream_sink* s, const dstream_delivery* delivery, uint32_t first,
                              uint32_t* accepted, dstream_error* e) noexcept {
    *accepted = 0;
    return guard(e, [&]() -> dstream_status {
      // A sink that throws halfway has taken nothing: it must settle or forget what it took.
      uint32_t taken = impl(s).write(Delivery(delivery), first);
      *accepted = taken;
      return first + taken == delivery->count ? DSTREAM_OK : DSTREAM_AGAIN;
    });
  }
  static dstream_status poll(dstream_sink* s, uint32_t max_wait_ms, dstream_error* e) noexcept {
    return guard(e, [&] {
      impl(s).poll(Millis(max_wait_ms));
      return DSTREAM_OK;
    });
  }
  static dstream_status flush(dstream_sink* s, uint32_t max_wait_ms, dstream_error* e) noexcept {
    return guard(e, [&]() -> dstream_status {
      return impl(s).flush(Millis(max_wait_ms)) ? DSTREAM_OK : DSTREAM_AGAIN;
    });
  }
  static void request_stop(dstream_sink* s) noexcept {
    if constexpr (requires { impl(s).stop.request(); }) impl(s).stop.request();
  }
  static void close(dstream_sink* s) noexcept {
    guard(nullptr, [&] { impl(s).close(); return DSTREAM_OK; });
  }
  static void destroy(dstream_sink* s) noexcept {
    guard(nullptr, [&] { delete reinterpret_cast<Box*>(s); return DSTREAM_OK; });
  }

  static constexpr dstream_sink_api table = {
      sizeof(dstream_sink_api), 0, &create, &open, &write, &poll, &flush,
      &request_stop, &close, &destroy, nullptr};
};

}  // namespace detail

// A sink that is handed records as the source made them.
template <SinkLike S>
constexpr dstream_connector record_sink(const char* id, const char* version, const char* summary,
                                        const char* config_schema) {
  return {sizeof(dstream_connector), 0, id, version, summary, config_schema, nullptr,
          &detail::SinkTable<S>::table};
}

// A sink that is handed encoded messages: format, topic template and key are applied by the host.
template <SinkLike S>
constexpr dstream_connector message_sink(const char* id, const char* version, const char* summary,
                                         const char* config_schema) {
  return {sizeof(dstream_connector), DSTREAM_CONNECTOR_MESSAGES, id, version, summary,
          config_schema, nullptr, &detail::SinkTable<S>::table};
}

template <SourceLike S>
constexpr dstream_connector source(const char* id, const char* version, const char* summary,
                                   const char* config_schema) {
  return {sizeof(dstream_connector), 0, id, version, summary, config_schema,
          &detail::SourceTable<S>::table, nullptr};
}

}  // namespace dstream

// Defines the exported symbol. Arguments: name, vendor, license, connectors...
#define DSTREAM_PLUGIN(name_, vendor_, license_, ...)                              \
  namespace {                                                                      \
  constexpr dstream_connector dstream_connectors_[] = {__VA_ARGS__};               \
  template <std::size_t... I>                                                      \
  constexpr auto dstream_index_(std::index_sequence<I...>) {                       \
    return std::array<const dstream_connector*, sizeof...(I)>{&dstream_connectors_[I]...}; \
  }                                                                                \
  constexpr auto dstream_list_ =                                                   \
      dstream_index_(std::make_index_sequence<std::size(dstream_connectors_)>{});  \
  }                                                                                \
  extern "C" DSTREAM_EXPORT constinit const dstream_plugin dstream_plugin_v1 = {   \
      DSTREAM_MAGIC, sizeof(dstream_plugin), DSTREAM_ABI_MINOR, 0, name_, vendor_, \
      license_, "g++ " __VERSION__, dstream_list_.data(),                          \
      static_cast<uint32_t>(dstream_list_.size()), 0}
