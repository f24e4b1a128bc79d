#include "core/pipeline/dead_letter_sink.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/messages/abi_text.h"
#include "core/messages/change.h"
#include "core/pipeline/limits.h"
#include "core/pipeline/text.h"

namespace dstream::core {
namespace {

// At once; the rest waits in its deliveries.
constexpr size_t kLettersMax = 100;
constexpr size_t kLetterBytesMax = 1024 * 1024;
// A sink that says nothing for so long is said to be in trouble.
constexpr int64_t kSlowNs = 10 * kNanosPerSecond;

std::string table_of(const dstream_record& record) {
  if (record.schema == nullptr) {
    return "";
  }
  std::string out;
  for (const char* part :
       {record.schema->database, record.schema->name_space, record.schema->name}) {
    if (part != nullptr && *part != '\0') {
      out.append(out.empty() ? "" : ".").append(part);
    }
  }
  return out;
}

}  // namespace

DeadLetterSink::DeadLetterSink(const WorkerContext& context, std::string sink, TopicTemplate topic)
    : context_(context),
      type_(std::move(sink)),
      topic_(std::move(topic)),
      back_off_(RetrySettings{}, context.seed + 3) {}

// ---- what is sent -------------------------------------------------------------------------------

void DeadLetterSink::take(SettleTracker& tracker, const DeadLetterEncoders& encoders,
                          int64_t wall_ns) {
  DSTREAM_ASSERT(!busy());
  tracker.for_each([&](Delivery& delivery) {
    for (const Reject& reject : delivery.rejects()) {
      if (letters_.size() < kLettersMax && arena_.used_bytes() < kLetterBytesMax) {
        add_letter(delivery, reject, encoders, wall_ns);
      }
    }
  });
  states_.assign(messages_.size(), State::kOpen);
  if (busy()) {
    begin_delivery();
  }
}

void DeadLetterSink::add_letter(const Delivery& delivery, const Reject& reject,
                                const DeadLetterEncoders& encoders, int64_t wall_ns) {
  letters_.push_back({delivery.first_record() + reject.record, false});
  // Only what this version knows: the plugin sees the stride of this copy.
  records_.push_back(delivery.record(reject.record));
  Arena encoded;
  std::vector<dstream_message> messages;
  const bool was_message = rejected_messages(delivery, reject, encoders, encoded, messages);
  for (const dstream_message& each : messages) {
    add_message(each, delivery, reject, was_message, wall_ns);
  }
  letters_.back().refused = messages.empty();  // Nothing to send: the file has what there is.
}

void DeadLetterSink::add_message(const dstream_message& message, const Delivery& delivery,
                                 const Reject& reject, bool was_message, int64_t wall_ns) {
  const dstream_record& record = delivery.record(reject.record);
  const char* op = op_name(record.op);
  std::vector<std::pair<std::string, std::string>> facts = {
      {"dstream-error-code", reject.reason.code},
      {"dstream-error-reason", reject.reason.message},
      {"dstream-rejected-at", wall_time_text(wall_ns)},
      {"dstream-pipeline", context_.settings->name},
      {"dstream-op", op != nullptr ? op : "schema"},
      {"dstream-table", table_of(record)},
      {"dstream-position", to_hex(text_of(record.position))}};
  if (was_message) {
    facts.emplace_back("dstream-topic", text_or_empty(message.topic));
  }
  for (uint32_t i = 0; i < record.header_count; ++i) {
    facts.emplace_back("dstream-source-" + text_or_empty(record.headers[i].name),
                       std::string(text_of(record.headers[i].value)));
  }
  const auto count = static_cast<uint32_t>(message.header_count + facts.size());
  auto* headers = static_cast<dstream_field*>(
      arena_.allocate(count * sizeof(dstream_field), alignof(dstream_field)));
  dstream_message out = message;
  out.headers = headers;
  out.header_count = count;
  for (uint32_t i = 0; i < message.header_count; ++i) {
    *headers++ = {reinterpret_cast<const char*>(copy(message.headers[i].name).data),
                  copy(message.headers[i].value)};
  }
  for (const auto& [name, value] : facts) {
    *headers++ = {reinterpret_cast<const char*>(copy(name).data), copy(value)};
  }
  auto topic = topic_ids_.emplace(topic_of(record), static_cast<uint32_t>(topic_ids_.size())).first;
  out.topic = topic->first.c_str();
  out.topic_id = topic->second;
  out.partition = -1;
  out.key = copy(message.key);
  out.value = copy(message.value);
  out.record = static_cast<uint32_t>(records_.size() - 1);
  messages_.push_back(out);
  letter_of_.push_back(static_cast<uint32_t>(letters_.size() - 1));
}

dstream_bytes DeadLetterSink::copy(const dstream_bytes& bytes) {
  if (bytes.data == nullptr) {
    return {};
  }
  std::string_view copied = arena_.copy(std::string(text_of(bytes)) + '\0');
  return {reinterpret_cast<const uint8_t*>(copied.data()), bytes.size};
}

// With a zero byte behind it, for names.
dstream_bytes DeadLetterSink::copy(const std::string& text) {
  std::string_view copied = arena_.copy({text.c_str(), text.size() + 1});
  return {reinterpret_cast<const uint8_t*>(copied.data()), text.size()};
}

std::string DeadLetterSink::topic_of(const dstream_record& record) const {
  TopicFields fields;
  fields.pipeline = context_.settings->name;
  if (record.schema != nullptr) {
    const dstream_schema& schema = *record.schema;
    fields.database = schema.database == nullptr ? "" : schema.database;
    fields.schema = schema.name_space == nullptr ? "" : schema.name_space;
    fields.table = schema.name == nullptr ? "" : schema.name;
  }
  const char* op = op_name(record.op);
  fields.op = op != nullptr ? op : "schema";
  return topic_.expand(fields);
}

// ---- how it goes --------------------------------------------------------------------------------

// From the lowest message on that is not settled; what had settled behind it comes again.
void DeadLetterSink::begin_delivery() {
  base_ = 0;
  while (base_ < states_.size() && states_[base_] != State::kOpen) {
    ++base_;
  }
  std::fill(states_.begin() + base_, states_.end(), State::kOpen);
  written_ = 0;
  view_ = {};
  view_.struct_size = sizeof view_;
  view_.count = static_cast<uint32_t>(messages_.size()) - base_;
  view_.id = next_id_++;
  view_.records = records_.data();
  view_.record_stride = sizeof(dstream_record);
  view_.record_count = static_cast<uint32_t>(records_.size());
  view_.messages = messages_.data() + base_;
  view_.message_stride = sizeof(dstream_message);
}

DeadLetterSink::Progress DeadLetterSink::step(int64_t now_ns) {
  if (!since_ns_) {
    since_ns_ = now_ns;
  }
  Progress progress = advance(now_ns);
  if (progress.what == Progress::What::kWaiting && now_ns - *since_ns_ >= kSlowNs) {
    progress.what = Progress::What::kTrouble;
    progress.error = trouble("it has confirmed nothing for " +
                             std::to_string((now_ns - *since_ns_) / kNanosPerSecond) + " s.");
  }
  return progress;
}

DeadLetterSink::Progress DeadLetterSink::advance(int64_t now_ns) {
  take_inbox();
  if (retry_) {
    const CallResult why = *retry_;
    return failed("write", why, now_ns);
  }
  if (all_settled()) {
    for (size_t i = 0; i < states_.size(); ++i) {
      Letter& letter = letters_[letter_of_[i]];
      letter.refused = letter.refused || states_[i] == State::kRefused;
    }
    back_off_.succeeded();
    in_flight_ = false;
    idle_close_ns_ = now_ns + kIdleWaitNs;
    return {Progress::What::kDone, now_ns, {}};
  }
  if (!open_) {
    if (now_ns < open_at_ns_) {
      return {Progress::What::kWaiting, open_at_ns_, {}};
    }
    if (CallResult opened = sink_->open(); !opened.ok()) {
      return failed("open", opened, now_ns);
    }
    open_ = true;
    return {Progress::What::kWaiting, now_ns, {}};
  }
  if (written_ < view_.count) {
    return write(now_ns);
  }
  if (auto failure = serve(now_ns)) {
    return *failure;
  }
  take_inbox();
  return {Progress::What::kWaiting, all_settled() || retry_ ? now_ns : now_ns + kAgainPauseNs, {}};
}

DeadLetterSink::Progress DeadLetterSink::write(int64_t now_ns) {
  uint32_t accepted = 0;
  in_flight_ = true;
  CallResult result = sink_->write(view_, written_, &accepted);
  written_ += accepted;
  if (!result.ok() && result.status != DSTREAM_AGAIN) {
    return failed("write", result, now_ns);
  }
  if (accepted > 0) {
    return {Progress::What::kWaiting, now_ns, {}};
  }
  // Full: it is given the time to settle something.
  if (auto failure = serve(now_ns)) {
    return *failure;
  }
  return {Progress::What::kWaiting, now_ns + kAgainPauseNs, {}};
}

// poll(), and in turn with it flush(): there is never so much that a sink should hold it back.
std::optional<DeadLetterSink::Progress> DeadLetterSink::serve(int64_t now_ns) {
  flush_next_ = !flush_next_ || !sink_->has_poll();
  CallResult served = flush_next_ ? sink_->flush(0) : sink_->poll(0);
  if (served.ok() || served.status == DSTREAM_AGAIN) {
    return std::nullopt;
  }
  return failed(flush_next_ ? "flush" : "poll", served, now_ns);
}

DeadLetterSink::Progress DeadLetterSink::failed(const char* call, const CallResult& result,
                                                int64_t now_ns) {
  const std::string why = plugin_error(Role::kSink, type_, call, result).message;
  const bool passes = result.status == DSTREAM_RETRY || result.status == DSTREAM_REOPEN ||
                      result.status == DSTREAM_DENIED || result.status == DSTREAM_CANCELLED;
  close();
  begin_delivery();
  open_at_ns_ = now_ns + back_off_.next_ns(now_ns, result.error.retry_after_ms);
  return {passes ? Progress::What::kTrouble : Progress::What::kFatal, open_at_ns_, trouble(why)};
}

Error DeadLetterSink::trouble(const std::string& why) const {
  return {
      "DS-DEAD-LETTER-SINK",
      "Dead letters of '" + context_.settings->name + "' cannot be sent to " + type_ + ": " + why,
      "The records are kept, and the position stays before them.",
      context_.settings->dead_letter.sink->place, ExitCode::kFailed};
}

void DeadLetterSink::close() {
  if (open_) {
    sink_->close();
    open_ = false;
    take_inbox();  // What settled before close() returned.
  }
  in_flight_ = false;
  retry_.reset();
}

int64_t DeadLetterSink::rest(int64_t now_ns) {
  if (!open_ || busy()) {
    return INT64_MAX;
  }
  if (now_ns >= idle_close_ns_) {
    close();
    return INT64_MAX;
  }
  return idle_close_ns_;
}

void DeadLetterSink::forget() {
  if (in_flight_) {
    close();
  }
  since_ns_.reset();
  letters_.clear();
  records_.clear();
  messages_.clear();
  letter_of_.clear();
  states_.clear();
  arena_.reset();
}

bool DeadLetterSink::all_settled() const {
  return std::none_of(states_.begin(), states_.end(),
                      [](State state) { return state == State::kOpen; });
}

void DeadLetterSink::on_settle(uint64_t delivery_id, uint32_t first, uint32_t count,
                               dstream_status result, const dstream_error* error) {
  Settled settled{delivery_id, first, count, {}};
  settled.result.status = result;
  if (error != nullptr) {
    settled.result.error = *error;
  }
  {
    std::lock_guard lock(inbox_mutex_);
    inbox_.push_back(settled);
  }
  context_.lifecycle->sink_wakeup().notify();
}

void DeadLetterSink::take_inbox() {
  {
    std::lock_guard lock(inbox_mutex_);
    std::swap(inbox_, taken_);
  }
  for (const Settled& each : taken_) {
    if (each.delivery_id != view_.id) {
      continue;  // Of one that was given up.
    }
    if (each.result.status == DSTREAM_OK || each.result.status == DSTREAM_REJECTED) {
      const auto from = states_.begin() + base_ + each.first;
      std::fill(from, from + each.count, each.result.ok() ? State::kConfirmed : State::kRefused);
    } else if (!retry_) {
      retry_ = each.result;
    }
  }
  taken_.clear();
}

}  // namespace dstream::core
