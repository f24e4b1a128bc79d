// The draft extensions for classes: a class that has the method offers the extension.
//
//   std::string status_json();                       dstream.status/1    [any-thread]
//   bool request_snapshot(std::string_view table);   dstream.snapshot/1  [any-thread], sources
//   void check(dstream::Checks& checks);             dstream.checks/1, /2  [worker]
//   void set_data_loss_policy(dstream_data_loss_policy);    dstream.data_loss/1, sources
//   void reconfigure(std::string_view config);       dstream.reconfigure/1  [worker], not open
//   void use_transactions(std::string_view pipeline);       dstream.transactions/1, sinks: all four
//   std::string committed_checkpoint();
//   void begin_transaction();
//   bool commit_transaction(std::string_view checkpoint, dstream::Millis max_wait);
//   uint64_t message_bytes_max() const;              dstream.limits/1    [worker], message sinks
//
// message_bytes_max(): 0 if no limit is known. Must not throw.
// status_json(): one JSON object of at most DSTREAM_MAX_STATUS bytes; "" if it cannot tell without
//   waiting. Never waits for I/O or for a [worker] call.
// request_snapshot(table): true, the copy is asked for; false, it is already. Throws Error(
//   DSTREAM_CONFIG) for a table that is not read, DSTREAM_UNSUPPORTED for one that cannot be
//   copied, DSTREAM_RETRY before it knows its tables. Returns at once.
// reconfigure(config): what the constructor was given is replaced. Throws Error(DSTREAM_CONFIG),
// and
//   has then changed nothing.
// set_data_loss_policy(policy): before open(). Throws Error(DSTREAM_CONFIG) if the source's own
//   settings say otherwise, DSTREAM_UNSUPPORTED for a policy that it does not know.
// check(checks): says through `checks` what it finds, one by one. What it throws ends the checks.
//   A source finds its stored position there (/2).
// committed_checkpoint(): "" if nothing was ever committed.
// commit_transaction(): false, not yet: it is called again. What it throws leaves the fate open.
//   Items are settled OK in it, before it returns true, and nowhere else.
//
// status_json() and request_snapshot() run beside the other calls, and beside themselves: guard
// what they touch with a mutex that no call holds while it waits.
//
// plugin.hpp includes this where it is there. Drafts are not installed: a plugin that is built
// outside of this tree does not offer them.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <string>
#include <string_view>

#include "dstream/abi.h"
#include "dstream/detail/border.hpp"
#include "dstream/ext/draft/checks.h"
#include "dstream/ext/draft/data_loss.h"
#include "dstream/ext/draft/limits.h"
#include "dstream/ext/draft/reconfigure.h"
#include "dstream/ext/draft/snapshot.h"
#include "dstream/ext/draft/status.h"
#include "dstream/ext/draft/transactions.h"
#include "dstream/host.hpp"

namespace dstream {

// Where check() says what it finds. Each function is one check; `subject` is the table, the topic
// and the like where the same is looked at for several.
class Checks {
 public:
  using Clock = std::chrono::steady_clock;

  Checks(dstream_check_emit emit, void* context, Millis max_wait, bool (*stopped)(const void*),
         const void* instance, std::string_view position = {})
      : emit_(emit),
        context_(context),
        until_(Clock::now() + max_wait),
        stopped_(stopped),
        instance_(instance),
        position_(position) {}

  void ok(const char* id, const std::string& sentence, const std::string& subject = {}) const {
    say(DSTREAM_CHECK_OK, id, subject, sentence, {});
  }
  void warning(const char* id, const std::string& sentence, const std::string& mend,
               const std::string& subject = {}) const {
    say(DSTREAM_CHECK_WARNING, id, subject, sentence, mend);
  }
  void failed(const char* id, const std::string& sentence, const std::string& mend,
              const std::string& subject = {}) const {
    say(DSTREAM_CHECK_FAILED, id, subject, sentence, mend);
  }
  void skipped(const char* id, const std::string& sentence, const std::string& subject = {}) const {
    say(DSTREAM_CHECK_SKIPPED, id, subject, sentence, {});
  }

  // What is left of the time all checks may take together; 0 if it is over or a stop was requested.
  Millis left() const {
    if (stopped_(instance_)) return Millis(0);
    auto left = std::chrono::duration_cast<Millis>(until_ - Clock::now());
    return std::max(left, Millis(0));
  }

  // What a source's pipeline has stored; empty: nothing, or the host does not say.
  std::string_view position() const { return position_; }

 private:
  void say(dstream_check_result result, const char* id, const std::string& subject,
           const std::string& sentence, const std::string& mend) const {
    dstream_check check{};
    check.struct_size = sizeof check;
    check.result = result;
    check.id = id;
    check.subject = subject.c_str();
    check.sentence = sentence.c_str();
    check.mend = mend.c_str();
    emit_(context_, &check);
  }

  dstream_check_emit emit_;
  void* context_;
  Clock::time_point until_;
  bool (*stopped_)(const void*);
  const void* instance_;
  std::string_view position_;
};

namespace detail {

template <class T>
concept OffersStatus = requires(T t) {
  { t.status_json() } -> std::same_as<std::string>;
};
template <class T>
concept OffersSnapshot = requires(T t, std::string_view table) {
  { t.request_snapshot(table) } -> std::same_as<bool>;
};
template <class T>
concept OffersChecks = requires(T t, Checks& checks) {
  { t.check(checks) } -> std::same_as<void>;
};
template <class T>
concept OffersReconfigure = requires(T t, std::string_view config) {
  { t.reconfigure(config) } -> std::same_as<void>;
};
template <class T>
concept OffersDataLoss = requires(T t, dstream_data_loss_policy policy) {
  { t.set_data_loss_policy(policy) } -> std::same_as<void>;
};
template <class T>
concept OffersTransactions = requires(T t, std::string_view text, Millis max_wait) {
  { t.use_transactions(text) } -> std::same_as<void>;
  { t.committed_checkpoint() } -> std::same_as<std::string>;
  { t.begin_transaction() } -> std::same_as<void>;
  { t.commit_transaction(text, max_wait) } -> std::same_as<bool>;
};
template <class T>
concept OffersLimits = requires(const T t) {
  { t.message_bytes_max() } -> std::same_as<uint64_t>;
};

// `Table` is SourceTable<T> or SinkTable<T>, `Handle` dstream_source or dstream_sink.
template <class T, class Table, class Handle>
struct DraftOffers {
  static T& impl(void* self) { return Table::impl(static_cast<Handle*>(self)); }

  static dstream_status status(void* self, char* buffer, uint32_t capacity, uint32_t* size,
                               dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      std::string text = impl(self).status_json();
      if (text.empty()) return DSTREAM_AGAIN;
      if (text.size() > capacity) {
        throw Error(DSTREAM_FATAL, "The status has " + std::to_string(text.size()) +
                                       " bytes, more than there is room for.");
      }
      std::copy(text.begin(), text.end(), buffer);  // no NUL: the size is told
      *size = static_cast<uint32_t>(text.size());
      return DSTREAM_OK;
    });
  }
  static dstream_status snapshot(void* self, const char* table, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      return impl(self).request_snapshot(std::string_view(table)) ? DSTREAM_OK : DSTREAM_AGAIN;
    });
  }
  static bool stopped(const void* self) {
    return Table::stopped(static_cast<Handle*>(const_cast<void*>(self)));
  }
  static dstream_status checks(void* self, uint32_t max_wait_ms, dstream_check_emit emit,
                               void* context, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      Checks report(emit, context, Millis(max_wait_ms), &stopped, self);
      impl(self).check(report);
      return stopped(self) ? DSTREAM_CANCELLED : DSTREAM_OK;
    });
  }
  static dstream_status checks_2(void* self, const dstream_checks_request* request,
                                 dstream_check_emit emit, void* context,
                                 dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      std::string_view position(reinterpret_cast<const char*>(request->position.data),
                                request->position.size);
      Checks report(emit, context, Millis(request->max_wait_ms), &stopped, self, position);
      impl(self).check(report);
      return stopped(self) ? DSTREAM_CANCELLED : DSTREAM_OK;
    });
  }
  static dstream_status reconfigure(void* self, const char* config, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      impl(self).reconfigure(std::string_view(config));
      return DSTREAM_OK;
    });
  }
  static dstream_status data_loss(void* self, dstream_data_loss_policy policy,
                                  dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      impl(self).set_data_loss_policy(policy);
      return DSTREAM_OK;
    });
  }
  static uint64_t message_bytes_max(void* self) noexcept { return impl(self).message_bytes_max(); }

  static dstream_status use(void* self, const char* pipeline, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      impl(self).use_transactions(std::string_view(pipeline));
      return DSTREAM_OK;
    });
  }
  static dstream_status committed(void* self, uint8_t* buffer, uint32_t capacity, uint32_t* size,
                                  dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      std::string found = impl(self).committed_checkpoint();
      if (found.size() > capacity) {
        throw Error(DSTREAM_FATAL, "The committed checkpoint has " + std::to_string(found.size()) +
                                       " bytes, more than one can have.");
      }
      std::copy(found.begin(), found.end(), buffer);
      *size = static_cast<uint32_t>(found.size());
      return DSTREAM_OK;
    });
  }
  static dstream_status begin(void* self, dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      impl(self).begin_transaction();
      return DSTREAM_OK;
    });
  }
  static dstream_status commit(void* self, dstream_bytes checkpoint, uint32_t max_wait_ms,
                               dstream_error* error) noexcept {
    return guard(error, [&]() -> dstream_status {
      std::string_view text(reinterpret_cast<const char*>(checkpoint.data), checkpoint.size);
      return impl(self).commit_transaction(text, Millis(max_wait_ms)) ? DSTREAM_OK : DSTREAM_AGAIN;
    });
  }

  // nullptr if the class does not have it, or the id is no draft.
  static const void* find(std::string_view id) {
    if constexpr (OffersStatus<T>) {
      static constexpr dstream_instance_status kStatus = {&status};
      if (id == DSTREAM_EXT_STATUS) return &kStatus;
    }
    if constexpr (OffersSnapshot<T> && std::same_as<Handle, dstream_source>) {
      static constexpr dstream_snapshot kSnapshot = {&snapshot};
      if (id == DSTREAM_EXT_SNAPSHOT) return &kSnapshot;
    }
    if constexpr (OffersChecks<T>) {
      static constexpr dstream_checks kChecks = {&checks};
      if (id == DSTREAM_EXT_CHECKS) return &kChecks;
    }
    if constexpr (OffersChecks<T> && std::same_as<Handle, dstream_source>) {
      static constexpr dstream_checks_2 kChecks2 = {&checks_2};
      if (id == DSTREAM_EXT_CHECKS_2) return &kChecks2;
    }
    if constexpr (OffersLimits<T> && std::same_as<Handle, dstream_sink>) {
      static constexpr dstream_limits kLimits = {&message_bytes_max};
      if (id == DSTREAM_EXT_LIMITS) return &kLimits;
    }
    if constexpr (OffersReconfigure<T>) {
      static constexpr dstream_reconfigure kReconfigure = {&reconfigure};
      if (id == DSTREAM_EXT_RECONFIGURE) return &kReconfigure;
    }
    if constexpr (OffersDataLoss<T> && std::same_as<Handle, dstream_source>) {
      static constexpr dstream_data_loss kDataLoss = {&data_loss};
      if (id == DSTREAM_EXT_DATA_LOSS) return &kDataLoss;
    }
    if constexpr (OffersTransactions<T> && std::same_as<Handle, dstream_sink>) {
      static constexpr dstream_transactions kTransactions = {&use, &committed, &begin, &commit};
      if (id == DSTREAM_EXT_TRANSACTIONS) return &kTransactions;
    }
    return nullptr;
  }
};

}  // namespace detail
}  // namespace dstream
