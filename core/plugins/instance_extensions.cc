#include "core/plugins/instance_extensions.h"

#include <Poco/JSON/Parser.h>

#include <cstring>
#include <string_view>

#include "core/plugins/text.h"

namespace dstream::core {
namespace {

constexpr size_t kCheckIdMax = 64;

bool is_json_object(const std::string& text) {
  if (!is_utf8(text)) {
    return false;
  }
  try {
    Poco::JSON::Parser parser;
    return parser.parse(text).type() == typeid(Poco::JSON::Object::Ptr);
  } catch (const Poco::Exception&) {
    return false;
  }
}

// A text of a check, which may be NULL and longer than allowed.
std::string_view bounded(const char* text, size_t bytes_max = DSTREAM_MAX_CHECK_TEXT) {
  return text == nullptr ? std::string_view() : std::string_view(text, strnlen(text, bytes_max));
}

bool is_check_id(std::string_view id) {
  return !id.empty() && id.size() <= kCheckIdMax &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string_view::npos;
}

InstanceCheck::Result result_of(dstream_check_result result) {
  switch (result) {
    case DSTREAM_CHECK_OK:
      return InstanceCheck::Result::kOk;
    case DSTREAM_CHECK_WARNING:
      return InstanceCheck::Result::kWarning;
    case DSTREAM_CHECK_SKIPPED:
      return InstanceCheck::Result::kSkipped;
    default:
      return InstanceCheck::Result::kFailed;
  }
}

}  // namespace

std::optional<std::string> InstanceExtensions::status_json() {
  if (status_ == nullptr) {
    return std::nullopt;
  }
  std::string buffer(DSTREAM_MAX_STATUS, '\0');
  uint32_t size = 0;
  CallResult result =
      calls_.run_beside("status", kAllowOk | kAllowAgain, [&](dstream_error* error) {
        return status_->get(self_, buffer.data(), DSTREAM_MAX_STATUS, &size, error);
      });
  if (!result.ok()) {
    return std::nullopt;
  }
  if (size > buffer.size()) {
    calls_.misbehaviour().note("status_json", "wrote a status of " + std::to_string(size) +
                                                  " bytes into a buffer of " +
                                                  std::to_string(buffer.size()) + ".");
    return std::nullopt;
  }
  buffer.resize(size);
  if (!is_json_object(buffer)) {
    calls_.misbehaviour().note("status_json", "wrote a status that is not a JSON object.");
    return std::nullopt;
  }
  return buffer;
}

std::optional<CallResult> InstanceExtensions::request_snapshot(const std::string& table) {
  if (snapshot_ == nullptr) {
    return std::nullopt;
  }
  if (table.empty() || table.size() > DSTREAM_MAX_TABLE_NAME || !is_utf8(table)) {
    CallResult refused;
    refused.status = DSTREAM_CONFIG;
    std::string_view("That is not the name of a table.")
        .copy(refused.error.message, sizeof refused.error.message - 1);
    return refused;
  }
  return calls_.run_beside("snapshot", kAllowOk | kAllowAgain, [&](dstream_error* error) {
    return snapshot_->request(self_, table.c_str(), error);
  });
}

std::optional<uint64_t> InstanceExtensions::message_bytes_max() {
  if (limits_ == nullptr) {
    return std::nullopt;
  }
  uint64_t bytes = 0;
  calls_.run_void("message_bytes_max()", [&] { bytes = limits_->message_bytes_max(self_); });
  return bytes;
}

std::optional<CallResult> InstanceExtensions::set_data_loss_policy(
    dstream_data_loss_policy policy) {
  if (data_loss_ == nullptr) {
    return std::nullopt;
  }
  return calls_.run("data_loss", GuardedCalls::kNoLimit, kAllowOk, [&](dstream_error* error) {
    return data_loss_->set_policy(self_, policy, error);
  });
}

std::optional<CallResult> InstanceExtensions::reconfigure(const std::string& config_json) {
  if (reconfigure_ == nullptr) {
    return std::nullopt;
  }
  return calls_.run("reconfigure()", GuardedCalls::kNoLimit, kAllowOk, [&](dstream_error* error) {
    return reconfigure_->reconfigure(self_, config_json.c_str(), error);
  });
}

std::optional<CallResult> InstanceExtensions::run_checks(uint32_t max_wait_ms,
                                                         std::string_view position,
                                                         const CheckHandler& handler) {
  if (checks_ == nullptr && checks_2_ == nullptr) {
    return probe_ == nullptr ? std::nullopt : std::optional(run_probe(max_wait_ms, handler));
  }
  handler_ = &handler;
  checks_taken_ = 0;
  CallResult result =
      calls_.run("checks", max_wait_ms, kAllowOk | kAllowCancelled, [&](dstream_error* error) {
        checking_thread_.store(std::this_thread::get_id());
        dstream_status status = call_checks(max_wait_ms, position, error);
        checking_thread_.store(std::thread::id());
        return status;
      });
  handler_ = nullptr;
  return result;
}

dstream_status InstanceExtensions::call_checks(uint32_t max_wait_ms, std::string_view position,
                                               dstream_error* error) {
  if (checks_2_ == nullptr) {
    return checks_->run(self_, max_wait_ms, &emit, this, error);
  }
  dstream_checks_request request{};
  request.struct_size = sizeof request;
  request.max_wait_ms = max_wait_ms;
  request.position = {reinterpret_cast<const uint8_t*>(position.data()), position.size()};
  return checks_2_->run(self_, &request, &emit, this, error);
}

CallResult InstanceExtensions::run_probe(uint32_t max_wait_ms, const CheckHandler& handler) {
  CallResult result = calls_.run("probe", max_wait_ms, kAllowOk | kAllowCancelled,
                                 [&](dstream_error* error) { return probe_->probe(self_, error); });
  InstanceCheck check;
  check.id = "probe";
  check.result = result.ok() ? InstanceCheck::Result::kOk : InstanceCheck::Result::kFailed;
  check.sentence = result.ok() ? "The other side answers." : std::string(result.message());
  if (result.status != DSTREAM_CANCELLED) {
    handler(check);
    result = {};
  }
  return result;
}

void InstanceExtensions::emit(void* context, const dstream_check* check) noexcept {
  auto& self = *static_cast<InstanceExtensions*>(context);
  if (self.checking_thread_.load() != std::this_thread::get_id()) {
    self.calls_.misbehaviour().note("checks", "emitted a check outside of its call.");
    return;
  }
  self.take(check);
}

void InstanceExtensions::take(const dstream_check* check) {
  constexpr size_t kSizeKnown = offsetof(dstream_check, mend) + sizeof check->mend;
  if (check == nullptr || check->struct_size < kSizeKnown) {
    calls_.misbehaviour().fatal("checks", "emitted a check without its struct_size.");
    return;
  }
  if (++checks_taken_ > DSTREAM_MAX_CHECKS) {
    calls_.misbehaviour().fatal(
        "checks", "emitted more than " + std::to_string(DSTREAM_MAX_CHECKS) + " checks.");
    return;
  }
  std::string_view id = bounded(check->id, kCheckIdMax + 1);
  if (!is_check_id(id)) {
    calls_.misbehaviour().fatal("checks", "emitted a check with the id \"" + printable(id) + "\".");
    return;
  }
  std::string_view sentence = bounded(check->sentence);
  if (sentence.empty()) {
    calls_.misbehaviour().fatal("checks",
                                "emitted the check " + std::string(id) + " without a sentence.");
    return;
  }
  (*handler_)({result_of(check->result), std::string(id), printable(bounded(check->subject)),
               printable(sentence, DSTREAM_MAX_CHECK_TEXT),
               printable_lines(bounded(check->mend), DSTREAM_MAX_CHECK_TEXT)});
}

}  // namespace dstream::core
