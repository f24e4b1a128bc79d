// The C++20 layer over dstream/abi.h for people who write plugins. Header-only.
//
// A source or a sink is an ordinary class. The layer makes the C tables from it, turns exceptions
// into errors the host understands, owns the memory of batches, and carries stop requests.
//
//   #include <dstream/plugin.hpp>
//
//   class TickSource {
//    public:
//     dstream::StopToken stop;                          // optional: wakes read() on a stop request
//     explicit TickSource(dstream::Host host);          // read the configuration; no I/O
//     void open(std::string_view position);             // connect, continue after `position`
//     std::optional<dstream::BatchBuilder> read(uint32_t max_records, dstream::Millis max_wait);
//     void commit(std::string_view position);           // optional: upstream may forget up to here
//     void close();                                     // disconnect
//   };
//
//   DSTREAM_PLUGIN("tick", "Acme", "MIT",
//       dstream::source<TickSource>("acme-tick", "1.0.0", "Counts up.", R"({...JSON Schema...})"));
//
// Build it with dstream_add_plugin() of the CMake package; the library must export nothing but the
// symbol DSTREAM_PLUGIN defines. docs/writing-a-plugin.md goes through it step by step, and
// dstream/testing.hpp drives your class in a unit test as the host would.
//
// The life of an instance
//   constructor -> open() -> read() ... | write(), poll() ... -> close() -> [open() ...] ->
//   destructor An open() that throws leaves the instance closed: release what it had acquired
//   before; close() is not called. close() and open() may repeat many times.
//
// Threads
//   The host calls one function of an instance at a time: no locks are needed. The thread may
//   change from call to call. Only the stop token is touched from elsewhere. Several instances of
//   your class may live at once, each in threads of its own: keep no mutable globals.
//
// Errors
//   Throw dstream::Error with the status that tells the host what to do; see host.hpp.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "dstream/abi.h"
#include "dstream/batch.hpp"
#include "dstream/delivery.hpp"
#include "dstream/detail/tables.hpp"
#include "dstream/host.hpp"

namespace dstream {

// What a source class must look like. It is made from (Host) or (Host, std::string_view config),
// where config is the JSON text the host has validated.
//
// open(position): connects and goes on after `position`, the position of a record this source
//   returned in this life or an earlier one; empty means from the beginning. If it is too old to go
//   on from, throw DSTREAM_DATA_LOSS: never start from "now" instead.
// read(max_records, max_wait): returns at most `max_records` records, or nullopt if there is
// nothing
//   within `max_wait`. Must return within `max_wait` plus a second, stop request or not, and must
//   never wait for a commit. A class that manages its own batch memory may return dstream_batch*
//   instead, nullptr for nothing. Throw Error(DSTREAM_END, "") when nothing will ever come again.
// commit(position): optional. Everything up to `position` is delivered and the host remembers so:
//   tell your upstream that it may forget it. Always called before a clean close().
// close(): disconnects. Batches that were returned stay valid until the host releases them.
// probe(): optional. Checks that the other side can be reached, for `dstream check`; throws if not.
// status_json(), request_snapshot(), check(): optional; ext/draft/offers.hpp, where it is there.
template <class S>
concept SourceLike = detail::Makeable<S> &&
    requires(S source, std::string_view position, uint32_t max_records, Millis max_wait) {
  source.open(position);
  requires std::same_as<decltype(source.read(max_records, max_wait)),
                        std::optional<BatchBuilder>> ||
      std::same_as<decltype(source.read(max_records, max_wait)), dstream_batch*>;
  source.close();
};

// What a sink class must look like. It is made as a source is.
//
// open(): connects.
// write(delivery, first): takes items [first, delivery.count()) for delivery, as many as there is
//   room for, and returns how many; fewer than there are means full, and the host polls before it
//   writes the rest. Does not wait for delivery. If it throws, it has taken nothing. Every item it
//   took is settled once through Host::settle(); an item that can never be delivered is settled as
//   REJECTED, not thrown.
// poll(max_wait): serves delivery reports for at most `max_wait`. May return bool: false, nothing
//   happened. A sink that settles from threads of its own may do without.
// flush(max_wait): sends whatever is held back by batching and settles what it can within
//   `max_wait`; true if nothing is in flight any more.
// close(): disconnects. No settle() for earlier writes may follow it.
// probe(): optional, as for a source.
template <class S>
concept SinkLike = detail::Makeable<S> &&
    requires(S sink, const Delivery& delivery, uint32_t first, Millis max_wait) {
  sink.open();
  { sink.write(delivery, first) } -> std::same_as<uint32_t>;
  { sink.flush(max_wait) } -> std::same_as<bool>;
  sink.close();
};

// The connectors a library offers, as arguments of DSTREAM_PLUGIN.
//
// `id` names the connector in configuration files: [a-z0-9.-], unique among sources or among sinks;
// third parties start it with a name of their own, "acme-tick". `version` is the connector's
// semantic version. `summary` is one sentence for `dstream plugins list`. `config_schema` is the
// JSON Schema (draft-07) of its keys: give every property a description and a default where there
// is one, set "additionalProperties": false so that a typo is an error, and mark secrets with
// "x-secret": true so that they are never shown. All four must be literals.
template <SourceLike S>
constexpr dstream_connector source(const char* id, const char* version, const char* summary,
                                   const char* config_schema) {
  return {sizeof(dstream_connector),      0,      id, version, summary, config_schema,
          &detail::SourceTable<S>::table, nullptr};
}

// A sink that is handed records as the source made them.
template <SinkLike S>
constexpr dstream_connector record_sink(const char* id, const char* version, const char* summary,
                                        const char* config_schema) {
  return {sizeof(dstream_connector),   0, id, version, summary, config_schema, nullptr,
          &detail::SinkTable<S>::table};
}

// A sink that is handed encoded messages: the host applies format, topic template and key.
template <SinkLike S>
constexpr dstream_connector message_sink(const char* id, const char* version, const char* summary,
                                         const char* config_schema) {
  return {sizeof(dstream_connector),
          DSTREAM_CONNECTOR_MESSAGES,
          id,
          version,
          summary,
          config_schema,
          nullptr,
          &detail::SinkTable<S>::table};
}

}  // namespace dstream

#if defined(__clang__)
#define DSTREAM_BUILD_TEXT __VERSION__
#else
#define DSTREAM_BUILD_TEXT "g++ " __VERSION__
#endif

// Defines the one exported symbol, as constant data: the host reads it before it runs any of the
// plugin's code. Arguments: name, vendor, license (SPDX id), one or more connectors.
#define DSTREAM_PLUGIN(name_, vendor_, license_, ...)                                              \
  namespace {                                                                                      \
  constexpr dstream_connector dstream_connectors_[] = {__VA_ARGS__};                               \
  template <std::size_t... Index>                                                                  \
  constexpr auto dstream_pointers_(std::index_sequence<Index...>) {                                \
    return std::array<const dstream_connector*, sizeof...(Index)>{&dstream_connectors_[Index]...}; \
  }                                                                                                \
  constexpr auto dstream_list_ =                                                                   \
      dstream_pointers_(std::make_index_sequence<std::size(dstream_connectors_)>{});               \
  }                                                                                                \
  extern "C" DSTREAM_EXPORT constinit const dstream_plugin dstream_plugin_v1 = {                   \
      DSTREAM_MAGIC,                                                                               \
      sizeof(dstream_plugin),                                                                      \
      DSTREAM_ABI_MINOR,                                                                           \
      0,                                                                                           \
      name_,                                                                                       \
      vendor_,                                                                                     \
      license_,                                                                                    \
      DSTREAM_BUILD_TEXT,                                                                          \
      dstream_list_.data(),                                                                        \
      static_cast<uint32_t>(dstream_list_.size()),                                                 \
      0}
