#include "core/pipeline/dead_letter.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/assert.h"
#include "core/messages/abi_text.h"
#include "core/messages/change.h"
#include "core/pipeline/text.h"

namespace dstream::core {
namespace {

constexpr size_t kNumberDigits = 6;  // at least: names in the order of their numbers

std::string base64_or_null(const dstream_bytes& bytes) {
  return bytes.data == nullptr ? "null" : '"' + to_base64(text_of(bytes)) + '"';
}

// Adds members to an object in the making.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  void raw(std::string_view key, std::string_view value) {
    out_.append(first_ ? "" : ",").append(to_json_string(key)).append(":").append(value);
    first_ = false;
  }
  void text(std::string_view key, std::string_view value) { raw(key, to_json_string(value)); }
  void number(std::string_view key, int64_t value) { raw(key, std::to_string(value)); }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

std::string message_json(const dstream_message& message) {
  std::string out;
  Members members(out);
  members.text("topic", text_or_empty(message.topic));
  if (message.partition >= 0) {
    members.number("partition", message.partition);
  }
  members.raw("key", base64_or_null(message.key));
  members.raw("value", base64_or_null(message.value));
  std::string headers;
  Members header_members(headers);
  for (uint32_t i = 0; i < message.header_count; ++i) {
    header_members.raw(text_or_empty(message.headers[i].name),
                       base64_or_null(message.headers[i].value));
  }
  header_members.end();
  members.raw("headers", headers);
  members.end();
  return out;
}

std::string messages_json(const std::vector<dstream_message>& messages) {
  std::string out = "[";
  for (const dstream_message& each : messages) {
    out += (out.size() > 1 ? "," : "") + message_json(each);
  }
  return out + "]";
}

std::string source_json(const dstream_record& record) {
  std::string out;
  Members members(out);
  for (uint32_t i = 0; i < record.header_count; ++i) {
    members.text(text_or_empty(record.headers[i].name), text_of(record.headers[i].value));
  }
  members.end();
  return out;
}

}  // namespace

bool rejected_messages(const Delivery& delivery, const Reject& reject,
                       const DeadLetterEncoders& encoders, Arena& arena,
                       std::vector<dstream_message>& out) {
  const size_t before = out.size();
  const dstream_delivery& view = delivery.view();
  for (uint32_t i = 0; view.messages != nullptr && i < view.count; ++i) {
    const dstream_message& message = *DSTREAM_MESSAGE_AT(&view, i);
    if (message.record == reject.record) {
      out.push_back(message);
    }
  }
  const dstream_record& record = delivery.record(reject.record);
  if (out.size() == before && encoders.messages != nullptr) {
    static_cast<void>(encoders.messages->encode(record, reject.record, arena, out));
  }
  if (out.size() > before) {
    return true;
  }
  if (encoders.records != nullptr && encoders.records->encode(record, reject.record, arena, out)) {
    out.resize(std::min(out.size(), before + 1));
  }
  return false;
}

namespace {

std::string put_aside_path(const std::string& state_dir, const std::string& pipeline,
                           uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < kNumberDigits) {
    digits.insert(0, kNumberDigits - digits.size(), '0');
  }
  return state_dir + "/" + pipeline + ".dead-letter." + digits + ".jsonl";
}

// nullopt if the file is another one.
std::optional<uint64_t> put_aside_number(std::string_view name, const std::string& pipeline) {
  const std::string prefix = pipeline + ".dead-letter.";
  constexpr std::string_view kSuffix = ".jsonl";
  if (name.size() <= prefix.size() + kSuffix.size() || !name.starts_with(prefix) ||
      !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  name = name.substr(prefix.size(), name.size() - prefix.size() - kSuffix.size());
  uint64_t number = 0;
  auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  return failure == std::errc() && end == name.data() + name.size() ? std::optional(number)
                                                                    : std::nullopt;
}

}  // namespace

std::string dead_letter_path(const std::string& state_dir, const std::string& pipeline) {
  return state_dir + "/" + pipeline + ".dead-letter.jsonl";
}

std::string format_dead_letter(const std::string& pipeline, const Delivery& delivery,
                               const Reject& reject, int64_t wall_ns,
                               const DeadLetterEncoders& encoders) {
  const dstream_record& record = delivery.record(reject.record);
  const dstream_schema* schema = record.schema;
  Arena arena;
  std::vector<dstream_message> messages;
  const bool was_message = rejected_messages(delivery, reject, encoders, arena, messages);
  std::string out;
  Members members(out);
  members.number("format", kDeadLetterFormat);
  members.text("rejected_at", wall_time_text(wall_ns));
  members.text("pipeline", pipeline);
  members.text("code", reject.reason.code);
  members.text("reason", reject.reason.message);
  members.number("vendor_code", reject.vendor_code);
  const char* op = op_name(record.op);
  members.text("op", op != nullptr ? op : "schema");
  members.text("database", schema == nullptr ? "" : text_or_empty(schema->database));
  members.text("schema", schema == nullptr ? "" : text_or_empty(schema->name_space));
  members.text("table", schema == nullptr ? "" : text_or_empty(schema->name));
  members.text("position", to_hex(text_of(record.position)));
  members.number("commit_time_ns", record.commit_time_ns);
  members.raw("source", source_json(record));
  members.raw("messages", was_message ? messages_json(messages) : "[]");
  members.raw("record", was_message || messages.empty() ? "null" : text_of(messages.front().value));
  members.end();
  return out + "\n";
}

DeadLetterEncoders DeadLetterFile::encoders() {
  if (record_encoder_ == nullptr) {
    MessageSettings settings;
    settings.pipeline = pipeline_;
    settings.allow_no_key = true;
    settings.tombstones = false;
    auto encoder = make_encoder(settings);
    record_encoder_ = encoder ? std::move(*encoder) : nullptr;
  }
  return {record_encoder_.get(), message_encoder_};
}

Result<void> DeadLetterFile::append(const Delivery& delivery, int64_t wall_ns) {
  Result<void> done;
  for (const Reject& reject : delivery.rejects()) {
    done = append_reject(delivery, reject, wall_ns);
    if (!done) {
      break;
    }
  }
  return finish(std::move(done));
}

Result<void> DeadLetterFile::append(const std::vector<RefusedLetter>& refused, int64_t wall_ns,
                                    size_t* durable) {
  Result<void> done;
  size_t appended = 0;
  for (const RefusedLetter& each : refused) {
    const Reject* reject = each.delivery->find_reject(each.record);
    DSTREAM_ASSERT(reject != nullptr);
    done = append_reject(*each.delivery, *reject, wall_ns);
    if (!done) {
      break;
    }
    ++appended;
  }
  done = finish(std::move(done));
  // What is in front of a file that is full was synced before there was a look at the others.
  *durable = done || done.error().code == kDeadLettersFullCode ? appended : 0;
  return done;
}

Result<void> DeadLetterFile::append_reject(const Delivery& delivery, const Reject& reject,
                                           int64_t wall_ns) {
  return append_line(format_dead_letter(pipeline_, delivery, reject, wall_ns, encoders()));
}

Result<void> DeadLetterFile::finish(Result<void> done) {
  if (done && file_ != nullptr) {
    done = file_->sync();
  }
  if (done) {
    return {};
  }
  file_.reset();  // Opened again, so that a line cut short by the failure is ended.
  if (done.error().code == kDeadLettersFullCode) {
    return done;
  }
  return fail("DS-DEAD-LETTER-WRITE",
              "A rejected record of '" + pipeline_ +
                  "' cannot be put into the dead letters: " + done.error().message,
              done.error().hint.empty() ? "It is tried again; the record is kept meanwhile."
                                        : done.error().hint);
}

Result<void> DeadLetterFile::append_line(const std::string& line) {
  if (file_ == nullptr) {
    if (Result<void> opened = open(); !opened) {
      return opened;
    }
  }
  if (file_bytes_ > 0 && file_bytes_ + line.size() > settings_.file_bytes_max) {
    Result<void> rotated = file_->sync();
    if (rotated) {
      rotated = rotate();
    }
    if (rotated) {
      rotated = open();
    }
    if (!rotated) {
      return rotated;
    }
  }
  Result<void> done = file_->append(line);
  file_bytes_ += line.size();
  return done;
}

Result<void> DeadLetterFile::rotate() {
  auto names = files_.list_folder(state_dir_);
  if (!names) {
    return fail(names.error());
  }
  uint32_t files = 1;
  uint64_t newest = 0;
  for (const std::string& name : *names) {
    if (auto number = put_aside_number(name, pipeline_)) {
      ++files;
      newest = std::max(newest, *number);
    }
  }
  if (files >= settings_.files_max) {
    return fail(kDeadLettersFullCode,
                "The dead letters of '" + pipeline_ + "' are full: " + std::to_string(files) +
                    " file(s) of " + std::to_string(settings_.file_bytes_max) + " bytes.",
                "Look at them, send them again with `dstream replay`, move files away; or raise "
                "dead_letter.files_max. The position stays before the record.");
  }
  file_.reset();
  Result<void> renamed = files_.rename(dead_letter_path(state_dir_, pipeline_),
                                       put_aside_path(state_dir_, pipeline_, newest + 1));
  return renamed ? files_.sync_folder(state_dir_) : renamed;
}

Result<void> DeadLetterFile::open() {
  std::string path = dead_letter_path(state_dir_, pipeline_);
  std::string last;
  file_bytes_ = 0;
  if (files_.exists(path)) {
    auto read = files_.read_last(path, 1);
    auto bytes = files_.file_bytes(path);
    if (!read || !bytes) {
      return fail(read ? bytes.error() : read.error());
    }
    last = *read;
    file_bytes_ = *bytes;
  } else if (Result<void> synced = files_.sync_folder(state_dir_); !synced) {
    return synced;  // A new file of this name must not come before the renaming of the old one.
  }
  auto file = files_.open_append(path);
  if (!file) {
    return fail(file.error());
  }
  Result<void> done = files_.sync_folder(state_dir_);
  if (done && !last.empty() && last != "\n") {
    done = (*file)->append("\n");
    ++file_bytes_;
  }
  if (done) {
    file_ = std::move(*file);
  }
  return done;
}

}  // namespace dstream::core
