// The C function tables of a source and a sink class.
//
// Plugins use source(), record_sink() and message_sink() of plugin.hpp, never this.
#pragma once

#include <concepts>
#include <optional>
#include <string_view>

#include "dstream/abi.h"
#include "dstream/batch.hpp"
#include "dstream/delivery.hpp"
#include "dstream/detail/border.hpp"
#include "dstream/host.hpp"
#if __has_include("dstream/ext/draft/offers.hpp")
#include "dstream/ext/draft/offers.hpp"
#define DSTREAM_HAS_DRAFTS 1
#endif

namespace dstream::detail {

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
#ifdef DSTREAM_HAS_DRAFTS
    return DraftOffers<T, CommonTable, Handle>::find(id);
#else
    return nullptr;
#endif
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
