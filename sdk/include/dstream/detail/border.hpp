// A plugin class as an instance of the C ABI, and the border its exceptions stop at.
//
// Plugins use source(), record_sink() and message_sink() of plugin.hpp, never this.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstring>
#include <exception>
#include <limits>
#include <new>
#include <string_view>

#include "dstream/abi.h"
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

}  // namespace dstream::detail
