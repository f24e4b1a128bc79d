// The C function tables of a source and a sink class, and the border its exceptions stop at.
//
// Plugins use source(), record_sink() and message_sink() of plugin.hpp, never this.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstring>
#include <exception>
#include <limits>
#include <new>
#include <optional>
#include <string_view>
#include <type_traits>

#include "dstream/abi.h"
#include "dstream/batch.hpp"
#include "dstream/delivery.hpp"
#include "dstream/host.hpp"

namespace dstream::detail {

// A plugin class may be made from (Host) or from (Host, config JSON text).
template <class T>
concept Makeable =
    std::constructible_from<T, Host> || std::constructible_from<T, Host, std::string_view>;

template <class T>
concept HasStop = requires(T t) {
  { t.stop } -> std::same_as<StopToken&>;
};

// An instance: what the opaque dstream_source or dstream_sink pointer points to. Built in place, so
// that a class need not be movable.
template <Makeable T>
struct Box {
  Box(const dstream_host* host_,
      const char* config) requires std::constructible_from<T, Host, std::string_view>
      : host(host_), impl(Host(host_), std::string_view(config)) {}
  Box(const dstream_host* host_,
      const char*) requires(!std::constructible_from<T, Host, std::string_view>)
      : host(host_), impl(Host(host_)) {}
  const dstream_host* host;
  T impl;
};

inline dstream_status fill(dstream_error* out, dstream_status status, const char* what,
                           int32_t vendor_code = 0, uint32_t retry_after_ms = 0,
                           const char* sqlstate = "") noexcept {
  if (out != nullptr && out->struct_size >= sizeof(dstream_error)) {
    out->vendor_code = vendor_code;
    out->retry_after_ms = retry_after_ms;
    std::strncpy(out->sqlstate, sqlstate, sizeof out->sqlstate - 1);
    out->sqlstate[sizeof out->sqlstate - 1] = '\0';
    size_t size = std::min(std::strlen(what), sizeof out->message - 1);
    std::memcpy(out->message, what, size);
    out->message[size] = '\0';
  }
  return status;
}

inline dstream_status fill(dstream_error* out, const Error& error) noexcept {
  // Thrown OK and AGAIN would claim that there is a result.
  bool can_be_thrown =
      error.status < 0 || error.status == DSTREAM_END || error.status == DSTREAM_CANCELLED;
  auto most = static_cast<Millis::rep>(std::numeric_limits<uint32_t>::max());
  auto retry_after_ms =
      static_cast<uint32_t>(std::clamp<Millis::rep>(error.retry_after.count(), 0, most));
  return fill(out, can_be_thrown ? error.status : dstream_status{DSTREAM_FATAL}, error.what(),
              error.vendor_code, retry_after_ms, error.sqlstate);
}

// Runs `body`; nothing it throws gets past here.
template <class Body>
dstream_status guard(dstream_error* out, Body&& body) noexcept {
  try {
    return body();
  } catch (const Error& error) {
    return fill(out, error);
  } catch (const std::bad_alloc&) {
    return fill(out, DSTREAM_RETRY, "Out of memory.");
  } catch (const std::exception& error) {
    return fill(out, DSTREAM_FATAL, error.what());
  } catch (...) {
    return fill(out, DSTREAM_FATAL, "An exception of an unknown type.");
  }
}

// The same for calls that cannot report: what is thrown is logged.
template <class Body>
void guard_void(const dstream_host* host, const char* call, Body&& body) noexcept {
  dstream_error error{};
  error.struct_size = sizeof error;
  dstream_status status = guard(&error, [&]() -> dstream_status {
    body();
    return DSTREAM_OK;
  });
  if (status == DSTREAM_OK) return;
  dstream_field fields[] = {{"call", bytes(call)}, {"error", bytes(error.message)}};
  host->log(host, DSTREAM_LOG_WARN, "A call that cannot fail has failed.", fields, 2);
}

// What sources and sinks have in common. `Handle` is dstream_source or dstream_sink.
template <class T, class Handle>
struct CommonTable {
  static Box<T>& box(Handle* self) { return *reinterpret_cast<Box<T>*>(self); }
  static T& impl(Handle* self) { return box(self).impl; }

  static bool stopped([[maybe_unused]] Handle* self) {
    if constexpr (HasStop<T>) return impl(self).stop.stopped();
    return false;
  }

  static dstream_status create(const dstream_host* host, const char* config, Handle** out,
                               dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      *out = reinterpret_cast<Handle*>(new Box<T>(host, config));
      return DSTREAM_OK;
    });
  }
  static void request_stop([[maybe_unused]] Handle* self) noexcept {
    if constexpr (HasStop<T>) impl(self).stop.request();
  }
  static void close(Handle* self) noexcept {
    guard_void(box(self).host, "close()", [&] { impl(self).close(); });
    // A stop request is sticky until here.
    if constexpr (HasStop<T>) impl(self).stop.reset();
  }
  static void destroy(Handle* self) noexcept { delete &box(self); }

  static dstream_status probe(void* self, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      if constexpr (requires { impl(static_cast<Handle*>(self)).probe(); }) {
        impl(static_cast<Handle*>(self)).probe();
      }
      return DSTREAM_OK;
    });
  }
  static const void* get_extension(Handle*, const char* id) noexcept {
    static constexpr dstream_probe kProbe = {&probe};
    if constexpr (requires(T t) { t.probe(); }) {
      if (std::string_view(id) == DSTREAM_EXT_PROBE) return &kProbe;
    }
    return nullptr;
  }
};

template <class S>
struct SourceTable : CommonTable<S, dstream_source> {
  using Common = CommonTable<S, dstream_source>;
  using Common::impl;

  static dstream_status open(dstream_source* self, dstream_bytes position,
                             dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      if (Common::stopped(self)) return DSTREAM_CANCELLED;
      impl(self).open(view(position));
      return DSTREAM_OK;
    });
  }

  static dstream_status read(dstream_source* self, uint32_t max_records, uint32_t max_wait_ms,
                             dstream_batch** out, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      *out = finished(impl(self).read(max_records, Millis(max_wait_ms)));
      if (*out != nullptr) return DSTREAM_OK;
      return Common::stopped(self) ? DSTREAM_CANCELLED : DSTREAM_AGAIN;
    });
  }
  static dstream_batch* finished(std::optional<BatchBuilder> batch) {
    return batch && !batch->empty() ? batch->finish() : nullptr;
  }
  static dstream_batch* finished(dstream_batch* batch) { return batch; }

  static dstream_status commit(dstream_source* self, dstream_bytes position,
                               dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      impl(self).commit(view(position));
      return DSTREAM_OK;
    });
  }
  static constexpr auto commit_or_null() {
    if constexpr (requires(S s, std::string_view position) { s.commit(position); }) {
      return &commit;
    } else {
      return nullptr;
    }
  }

  static constexpr dstream_source_api table = {sizeof(dstream_source_api),
                                               0,
                                               &Common::create,
                                               &open,
                                               &read,
                                               commit_or_null(),
                                               &Common::request_stop,
                                               &Common::close,
                                               &Common::destroy,
                                               &Common::get_extension};
};

template <class S>
struct SinkTable : CommonTable<S, dstream_sink> {
  using Common = CommonTable<S, dstream_sink>;
  using Common::impl;

  static dstream_status open(dstream_sink* self, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      if (Common::stopped(self)) return DSTREAM_CANCELLED;
      impl(self).open();
      return DSTREAM_OK;
    });
  }

  static dstream_status write(dstream_sink* self, const dstream_delivery* delivery, uint32_t first,
                              uint32_t* accepted, dstream_error* error) noexcept {
    *accepted = 0;
    return guard(error, [&]() -> dstream_status {
      // Once all of it is settled, which write() may do itself, the delivery is the host's again.
      const uint32_t left = delivery->count - first;
      *accepted = impl(self).write(Delivery(delivery), first);
      return *accepted == left ? DSTREAM_OK : DSTREAM_AGAIN;
    });
  }

  static dstream_status poll(dstream_sink* self, uint32_t max_wait_ms,
                             dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      Millis wait(max_wait_ms);
      if constexpr (requires {
                      { impl(self).poll(wait) } -> std::same_as<bool>;
                    }) {
        return impl(self).poll(wait) ? DSTREAM_OK : DSTREAM_AGAIN;
      } else {
        impl(self).poll(wait);
        return DSTREAM_OK;
      }
    });
  }
  static constexpr auto poll_or_null() {
    if constexpr (requires(S s, Millis wait) { s.poll(wait); }) {
      return &poll;
    } else {
      return nullptr;
    }
  }

  static dstream_status flush(dstream_sink* self, uint32_t max_wait_ms,
                              dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      return impl(self).flush(Millis(max_wait_ms)) ? DSTREAM_OK : DSTREAM_AGAIN;
    });
  }

  static constexpr dstream_sink_api table = {
      sizeof(dstream_sink_api), 0,      &Common::create,       &open,          &write,
      poll_or_null(),           &flush, &Common::request_stop, &Common::close, &Common::destroy,
      &Common::get_extension};
};

}  // namespace dstream::detail
