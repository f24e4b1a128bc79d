#include "core/pipeline/dead_letter_reader.h"

#include <Poco/DigestEngine.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/SHA2Engine.h>

#include <algorithm>
#include <limits>

#include "core/pipeline/dead_letter.h"
#include "core/pipeline/text.h"

namespace dstream::core {
namespace {

constexpr uint64_t kReadBytes = 1024 * 1024;
constexpr uint64_t kHeadBytes = 512;
constexpr size_t kFingerprintDigits = 16;
constexpr size_t kHeadersMax = 1024;  // as the ABI has it for records

using Poco::JSON::Object;

tl::unexpected<Error> damaged(const std::string& what) {
  return fail("DS-REPLAY-LINE", "The line is no dead letter: " + what + ".",
              "A line that a crash cut short belongs to a record that came again. --skip goes past "
              "it.");
}

// Thrown inside parse_dead_letter() only.
struct Damage {
  std::string what;
};

Poco::Dynamic::Var member(const Object& object, const std::string& name) {
  if (!object.has(name)) {
    throw Damage{name + " is missing"};
  }
  return object.get(name);
}

std::string text_member(const Object& object, const std::string& name) {
  Poco::Dynamic::Var value = member(object, name);
  if (!value.isString()) {
    throw Damage{name + " is no text"};
  }
  return value.extract<std::string>();
}

int64_t number_member(const Object& object, const std::string& name, int64_t min, int64_t max) {
  Poco::Dynamic::Var value = member(object, name);
  if (!value.isInteger()) {
    throw Damage{name + " is no whole number"};
  }
  auto number = value.convert<int64_t>();
  if (number < min || number > max) {
    throw Damage{name + " is out of range"};
  }
  return number;
}

std::optional<std::string> bytes_or_null(const Poco::Dynamic::Var& value, const std::string& name) {
  if (value.isEmpty()) {
    return std::nullopt;
  }
  if (!value.isString()) {
    throw Damage{name + " is neither text nor null"};
  }
  auto bytes = from_base64(value.extract<std::string>());
  if (!bytes) {
    throw Damage{name + " is no base64"};
  }
  return bytes;
}

DeadLetterMessage message_of(const Poco::Dynamic::Var& value) {
  if (value.type() != typeid(Object::Ptr)) {
    throw Damage{"a message is no object"};
  }
  const Object& object = *value.extract<Object::Ptr>();
  DeadLetterMessage out;
  out.topic = text_member(object, "topic");
  out.key = bytes_or_null(member(object, "key"), "key");
  out.value = bytes_or_null(member(object, "value"), "value");
  if (object.has("partition")) {
    out.partition = static_cast<int32_t>(
        number_member(object, "partition", -1, std::numeric_limits<int32_t>::max()));
  }
  if (out.topic.find('\0') != std::string::npos) {
    throw Damage{"topic has a zero byte"};
  }
  Poco::Dynamic::Var headers = member(object, "headers");
  if (headers.type() != typeid(Object::Ptr)) {
    throw Damage{"headers is no object"};
  }
  const Object& fields = *headers.extract<Object::Ptr>();
  if (fields.size() > kHeadersMax) {
    throw Damage{"a message has more than 1024 headers"};
  }
  for (const std::string& name : fields.getNames()) {
    if (name.find('\0') != std::string::npos) {
      throw Damage{"a header's name has a zero byte"};
    }
    out.headers.emplace_back(name, bytes_or_null(fields.get(name), "a header"));
  }
  return out;
}

Result<DeadLetter> letter_of(const Object& object) {
  if (number_member(object, "format", 0, std::numeric_limits<int64_t>::max()) !=
      kDeadLetterFormat) {
    throw Damage{"its format is another version's"};
  }
  DeadLetter out;
  out.pipeline = text_member(object, "pipeline");
  out.op = text_member(object, "op");
  out.database = text_member(object, "database");
  out.name_space = text_member(object, "schema");
  out.table = text_member(object, "table");
  out.commit_time_ns = number_member(object, "commit_time_ns", std::numeric_limits<int64_t>::min(),
                                     std::numeric_limits<int64_t>::max());
  const std::string code = text_member(object, "code");
  Poco::Dynamic::Var messages = member(object, "messages");
  if (messages.type() != typeid(Poco::JSON::Array::Ptr)) {
    throw Damage{"messages is no list"};
  }
  for (const Poco::Dynamic::Var& each : *messages.extract<Poco::JSON::Array::Ptr>()) {
    out.messages.push_back(message_of(each));
  }
  if (out.messages.empty()) {
    return fail("DS-REPLAY-NO-MESSAGE",
                "The line holds a record that never was a message (" + code + ").",
                "Mend the cause and change the row again, or take a snapshot of its table. --skip "
                "goes past it.");
  }
  return out;
}

}  // namespace

Result<DeadLetter> parse_dead_letter(std::string_view line) {
  try {
    Poco::JSON::Parser parser(new Poco::JSON::ParseHandler(true));
    Poco::Dynamic::Var value = parser.parse(std::string(line));
    if (value.type() != typeid(Object::Ptr)) {
      return damaged("it is no JSON object");
    }
    return letter_of(*value.extract<Object::Ptr>());
  } catch (const Damage& damage) {
    return damaged(damage.what);
  } catch (const std::exception&) {  // What the JSON library throws quotes the line.
    return damaged("it is no JSON");
  }
}

Result<void> DeadLetterReader::open(uint64_t offset, uint64_t line) {
  auto head = files_.read_part(path_, 0, std::min(kHeadBytes, end_));
  if (!head) {
    return fail(head.error());
  }
  if (offset > 0) {
    auto before = files_.read_part(path_, offset - 1, 1);
    if (!before) {
      return fail(before.error());
    }
    if (offset > end_ || *before != "\n") {
      return fail("DS-REPLAY-POSITION",
                  "No line of " + path_ + " ends where the last replay stopped.",
                  "The file was changed since. --from-start sends all of it.");
    }
  }
  head_ = std::move(*head);
  buffer_.clear();
  buffer_at_ = offset;
  used_ = 0;
  number_ = line;
  return {};
}

Result<void> DeadLetterReader::fill() {
  buffer_.erase(0, used_);
  buffer_at_ += used_;
  used_ = 0;
  const uint64_t from = buffer_at_ + buffer_.size();
  auto more = files_.read_part(path_, from, std::min(kReadBytes, end_ - from));
  if (!more) {
    return fail(more.error());
  }
  // After the part, so that it is from the file that began so.
  auto head = files_.read_part(path_, 0, head_.size());
  if (!head) {
    return fail(head.error());
  }
  if (*head != head_ || more->empty()) {
    return fail("DS-REPLAY-MOVED", path_ + " is another file now, or has become shorter.",
                "A running pipeline puts full files aside; replay it under its new name.");
  }
  buffer_ += *more;
  return {};
}

Result<std::optional<DeadLetterReader::Line>> DeadLetterReader::next() {
  size_t searched = used_;
  for (;;) {
    size_t at = buffer_.find('\n', searched);
    if (at != std::string::npos) {
      Line line{std::string_view(buffer_).substr(used_, at - used_), ++number_,
                buffer_at_ + at + 1};
      used_ = at + 1;
      return line;
    }
    if (buffer_at_ + buffer_.size() >= end_) {
      return std::nullopt;
    }
    if (buffer_.size() - used_ > kDeadLetterLineBytesMax) {
      Error error = damaged("it has more than 256 MiB").value();
      error.place = Place{path_, static_cast<int>(number_ + 1), 0};
      return fail(std::move(error));
    }
    searched = buffer_.size() - used_;
    if (Result<void> filled = fill(); !filled) {
      return fail(filled.error());
    }
  }
}

Result<DeadLetterSummary> look_at_dead_letters(FileSystem& files, const std::string& path) {
  auto end = files.file_bytes(path);
  if (!end) {
    return fail(end.error());
  }
  DeadLetterReader reader(files, path, *end);
  if (Result<void> opened = reader.open(0, 0); !opened) {
    return fail(opened.error());
  }
  DeadLetterSummary out;
  for (;;) {
    auto line = reader.next();
    if (!line) {
      return fail(line.error());
    }
    if (!*line) {
      break;
    }
    if ((*line)->number == 1) {
      Poco::SHA2Engine digest(Poco::SHA2Engine::SHA_256);
      digest.update((*line)->text.data(), (*line)->text.size());
      out.fingerprint =
          Poco::DigestEngine::digestToHex(digest.digest()).substr(0, kFingerprintDigits);
    }
    out.bytes = (*line)->end;
    auto letter = parse_dead_letter((*line)->text);
    if (!letter) {
      ++out.unsendable;
      if (out.why.size() < DeadLetterSummary::kWhyMax) {
        out.why.push_back(letter.error());
        out.why.back().place = Place{path, static_cast<int>((*line)->number), 0};
      }
      continue;
    }
    if (++out.letters == 1) {
      out.pipeline = letter->pipeline;
    }
    out.messages += letter->messages.size();
  }
  out.ends_in_a_part = reader.ends_in_a_part();
  return out;
}

}  // namespace dstream::core
