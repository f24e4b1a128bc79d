#include "core/pipeline/checkpoint.h"

#include <Poco/DigestEngine.h>
#include <Poco/SHA2Engine.h>

#include <charconv>

#include "core/pipeline/text.h"
#include "dstream/abi.h"

namespace dstream::core {
namespace {

constexpr std::string_view kChecksumKey = "sha256 ";
constexpr size_t kChecksumDigits = 64;
constexpr size_t kChecksumLineSize = kChecksumKey.size() + kChecksumDigits + 1;

// SHA-256 rather than a CRC: no pair of flipped bits or swapped blocks passes, and an operator can
// check a file with sha256sum and nothing else.
std::string checksum(std::string_view text) {
  Poco::SHA2Engine engine(Poco::SHA2Engine::SHA_256);
  engine.update(text.data(), static_cast<unsigned>(text.size()));
  return Poco::DigestEngine::digestToHex(engine.digest());
}

Error refuse(const char* code, const std::string& path, const std::string& what,
             const std::string& hint) {
  Error error{code, path + " " + what, hint, std::nullopt, ExitCode::kRefused};
  error.place = Place{path, 0, 0};
  return error;
}

// A plugin's words may hold anything; here they are one line.
std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& each : out) {
    each = static_cast<unsigned char>(each) < ' ' ? ' ' : each;
  }
  return out;
}

// Takes lines "key value" one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  // The value of the next line if its key is `key`.
  std::optional<std::string_view> take(std::string_view key) {
    size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    if (end == std::string_view::npos || line.size() <= key.size() || !line.starts_with(key) ||
        line[key.size()] != ' ') {
      return std::nullopt;
    }
    rest_.remove_prefix(end + 1);
    return line.substr(key.size() + 1);
  }
  std::optional<std::string> take_hex(std::string_view key) {
    auto value = take(key);
    return value ? from_hex(*value) : std::nullopt;
  }
  template <class Number>
  std::optional<Number> take_number(std::string_view key) {
    auto value = take(key);
    Number number{};
    if (!value) {
      return std::nullopt;
    }
    auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc() || end != value->data() + value->size()) {
      return std::nullopt;
    }
    return number;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::optional<Checkpoint> parse_lines(std::string_view text) {
  Lines lines(text);
  Checkpoint out;
  auto format = lines.take_number<int>(kCheckpointMagic);
  auto pipeline = lines.take("pipeline");
  auto source = lines.take("source");
  auto position = lines.take_hex("position");
  auto records = lines.take_number<uint64_t>("records");
  auto written = lines.take_number<int64_t>("written_ns");
  auto gaps = lines.take_number<uint64_t>("gaps");
  if (!format || !pipeline || !source || !position || !records || !written || !gaps ||
      position->empty() || position->size() > DSTREAM_MAX_POSITION) {
    return std::nullopt;
  }
  out.pipeline = *pipeline;
  out.source_type = *source;
  out.position = *position;
  out.records = *records;
  out.written_wall_ns = *written;
  out.gaps = *gaps;
  if (out.gaps > 0) {
    auto at = lines.take_number<int64_t>("last_gap_ns");
    auto after = lines.take_hex("last_gap_position");
    auto reason = lines.take("last_gap_reason");
    if (!at || !after || !reason) {
      return std::nullopt;
    }
    out.last_gap = CheckpointGap{*at, *after, std::string(*reason)};
  }
  return lines.at_end() ? std::optional<Checkpoint>(std::move(out)) : std::nullopt;
}

}  // namespace

std::string format_checkpoint(const Checkpoint& checkpoint) {
  std::string text;
  auto line = [&text](std::string_view key, std::string_view value) {
    text.append(key).append(" ").append(value).append("\n");
  };
  line(kCheckpointMagic, std::to_string(kCheckpointFormat));
  line("pipeline", checkpoint.pipeline);
  line("source", checkpoint.source_type);
  line("position", to_hex(checkpoint.position));
  line("records", std::to_string(checkpoint.records));
  line("written_ns", std::to_string(checkpoint.written_wall_ns));
  line("gaps", std::to_string(checkpoint.gaps));
  if (checkpoint.gaps > 0 && checkpoint.last_gap) {
    line("last_gap_ns", std::to_string(checkpoint.last_gap->wall_ns));
    line("last_gap_position", to_hex(checkpoint.last_gap->position));
    line("last_gap_reason", one_line(checkpoint.last_gap->reason));
  }
  return text + std::string(kChecksumKey) + checksum(text) + "\n";
}

Result<Checkpoint> parse_checkpoint(std::string_view content, const std::string& path) {
  std::string start = std::string(kCheckpointMagic) + " ";
  if (!content.starts_with(start)) {
    return fail(refuse("DS-CHECKPOINT-FOREIGN", path, "is not a checkpoint.",
                       "Something else wrote this file, or it is damaged. Put the right file in "
                       "its place, or remove it together with the previous one to start from the "
                       "beginning."));
  }
  // The version comes before the checksum: a later format may end differently.
  int format = 0;
  std::string_view number = content.substr(start.size());
  auto parsed = std::from_chars(number.data(), number.data() + number.size(), format);
  if (parsed.ec == std::errc() && format > kCheckpointFormat &&
      parsed.ptr != number.data() + number.size() && *parsed.ptr == '\n') {
    return fail(refuse("DS-CHECKPOINT-NEWER", path,
                       "has format " + std::to_string(format) + "; this version knows up to " +
                           std::to_string(kCheckpointFormat) + ".",
                       "Run the version of DStream that wrote it, or a later one."));
  }
  bool whole = content.size() > kChecksumLineSize;
  if (whole) {
    std::string_view body = content.substr(0, content.size() - kChecksumLineSize);
    std::string_view last = content.substr(body.size());
    whole = last == std::string(kChecksumKey) + checksum(body) + "\n";
    if (auto checkpoint = whole ? parse_lines(body) : std::nullopt;
        checkpoint && format == kCheckpointFormat) {
      return std::move(*checkpoint);
    }
  }
  return fail(refuse("DS-CHECKPOINT-CORRUPT", path,
                     whole ? "does not have the lines a checkpoint has."
                           : "is cut short or was changed after it was written.",
                     "DStream does not guess a position: restore the file."));
}

std::string checkpoint_path(const std::string& state_dir, const std::string& pipeline) {
  return state_dir + "/" + pipeline + ".checkpoint";
}

std::string previous_checkpoint_path(const std::string& state_dir, const std::string& pipeline) {
  return checkpoint_path(state_dir, pipeline) + ".previous";
}

namespace {

Result<Checkpoint> read_one(FileSystem& files, const std::string& path,
                            const std::string& pipeline) {
  auto content = files.read(path, kCheckpointBytesMax);
  if (!content && content.error().code == "DS-FILE-TOO-LARGE") {
    return fail(refuse("DS-CHECKPOINT-FOREIGN", path, "is too large to be a checkpoint.", ""));
  }
  if (!content) {
    return fail(Error{"DS-CHECKPOINT-READ", content.error().message, content.error().hint,
                      Place{path, 0, 0}, ExitCode::kRefused});
  }
  auto checkpoint = parse_checkpoint(*content, path);
  if (checkpoint && checkpoint->pipeline != pipeline) {
    return fail(refuse("DS-CHECKPOINT-MISMATCH", path,
                       "belongs to the pipeline '" + checkpoint->pipeline + "'.",
                       "A position continues one pipeline only. Remove the file to start '" +
                           pipeline + "' from the beginning."));
  }
  return checkpoint;
}

}  // namespace

Result<std::optional<Checkpoint>> read_checkpoint(FileSystem& files, const std::string& state_dir,
                                                  const std::string& pipeline) {
  std::string path = checkpoint_path(state_dir, pipeline);
  std::string previous = previous_checkpoint_path(state_dir, pipeline);
  bool missing = !files.exists(path);
  if (missing && !files.exists(previous)) {
    return std::nullopt;
  }
  Error error;
  if (missing) {
    error = refuse("DS-CHECKPOINT-MISSING", path,
                   "is missing, but " + previous + " is there: the file was removed.",
                   "To start from the beginning remove that one too.");
  } else {
    auto checkpoint = read_one(files, path, pipeline);
    if (checkpoint) {
      return std::optional<Checkpoint>(std::move(*checkpoint));
    }
    error = checkpoint.error();
  }
  if (auto before = read_one(files, previous, pipeline); before && !error.hint.empty()) {
    error.hint += " To continue from the previous checkpoint (" + std::to_string(before->records) +
                  " records, written at " + wall_time_text(before->written_wall_ns) +
                  "), run: cp " + previous + " " + path +
                  "; what came after it is delivered again.";
  }
  return fail(std::move(error));
}

}  // namespace dstream::core
