#include "core/pipeline/replay_source.h"

#include <charconv>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "core/messages/passed_message.h"
#include "core/pipeline/dead_letter_reader.h"
#include "dstream/plugin.hpp"

namespace dstream::core {
namespace {

constexpr std::string_view kPositionMagic = "dead-letters 1 ";
constexpr size_t kBatchBytes = 1024 * 1024;

class ReplaySource {
 public:
  explicit ReplaySource(dstream::Host host)
      : path_(host.config<std::string>("/file")),
        bytes_(host.config<uint64_t>("/bytes")),
        skip_(host.config<bool>("/skip")) {}

  void open(std::string_view position) {
    ReplayPosition from;
    if (!position.empty()) {
      auto parsed = parse_replay_position(position);
      if (!parsed) {
        throw dstream::Error(DSTREAM_DATA_LOSS, "The position is not one of a dead letter file.");
      }
      from = *parsed;
    }
    auto reader = std::make_unique<DeadLetterReader>(*files_, path_, bytes_);
    if (Result<void> opened = reader->open(from.offset, from.lines); !opened) {
      throw dstream::Error(DSTREAM_DATA_LOSS, opened.error().message);
    }
    reader_ = std::move(reader);
    position_ = from;
    letter_.reset();
  }

  std::optional<dstream::BatchBuilder> read(uint32_t records_max, dstream::Millis) {
    dstream::BatchBuilder batch;
    while (batch.size() < records_max && batch.byte_size() < kBatchBytes) {
      if (!letter_ && !next_letter()) {
        break;
      }
      add_message(batch);
    }
    if (batch.empty()) {
      throw dstream::Error(DSTREAM_END, "");
    }
    return batch;
  }

  void close() { reader_.reset(); }

 private:
  bool next_letter() {
    for (;;) {
      auto line = reader_->next();
      if (!line) {
        throw dstream::Error(DSTREAM_FATAL, line.error().message + " " + line.error().hint);
      }
      if (!*line) {
        return false;
      }
      position_.offset = (*line)->end;
      position_.lines = (*line)->number;
      auto letter = parse_dead_letter((*line)->text);
      if (letter) {
        letter_ = std::move(*letter);
        next_message_ = 0;
        return true;
      }
      if (!skip_) {
        throw dstream::Error(DSTREAM_FATAL, path_ + ":" + std::to_string((*line)->number) + ": " +
                                                letter.error().message);
      }
    }
  }

  void add_message(dstream::BatchBuilder& batch) {
    const DeadLetterMessage& message = letter_->messages[next_message_++];
    const bool last = next_message_ == letter_->messages.size();
    position_.messages += 1;
    const dstream::Schema& schema = schema_of(*letter_);
    auto row = batch.row(schema);
    row.string(message.topic);
    add_bytes(row, message.key);
    add_bytes(row, message.value);
    row.int64(message.partition);
    const bool deletes = letter_->op == "delete";
    dstream_record& record = batch.add(deletes ? DSTREAM_OP_DELETE : DSTREAM_OP_INSERT, schema,
                                       last ? format_replay_position(position_) : std::string());
    (deletes ? record.before : record.after) = row.values();
    record.commit_time_ns = letter_->commit_time_ns;
    add_headers(batch, record, message);
    if (last) {
      letter_.reset();
    }
  }

  static void add_bytes(dstream::Row& row, const std::optional<std::string>& bytes) {
    if (bytes) {
      row.binary(*bytes);
    } else {
      row.null();
    }
  }

  static void add_headers(dstream::BatchBuilder& batch, dstream_record& record,
                          const DeadLetterMessage& message) {
    auto* fields = static_cast<dstream_field*>(
        batch.allocate(sizeof(dstream_field) * message.headers.size(), alignof(dstream_field)));
    record.headers = fields;
    record.header_count = static_cast<uint32_t>(message.headers.size());
    for (const auto& [name, value] : message.headers) {
      const char* copied = batch.copy(std::string_view(name.c_str(), name.size() + 1)).data();
      *fields++ = {copied, value ? dstream::bytes(batch.copy(*value)) : dstream_bytes{}};
    }
  }

  const dstream::Schema& schema_of(const DeadLetter& letter) {
    auto& schema = schemas_[{letter.database, letter.name_space, letter.table}];
    if (schema == nullptr) {
      schema = std::make_unique<dstream::Schema>(letter.database, letter.name_space, letter.table);
      schema->column("topic", DSTREAM_STRING, "", 0)
          .column("key", DSTREAM_BYTES)
          .column("value", DSTREAM_BYTES)
          .column("partition", DSTREAM_INT64, "", 0);
    }
    return *schema;
  }

  const std::string path_;
  const uint64_t bytes_;
  const bool skip_;
  const std::unique_ptr<FileSystem> files_ = make_system_file_system();
  std::map<std::tuple<std::string, std::string, std::string>, std::unique_ptr<dstream::Schema>>
      schemas_;  // until the last batch is released
  std::unique_ptr<DeadLetterReader> reader_;
  ReplayPosition position_;  // behind the letter that is being read
  std::optional<DeadLetter> letter_;
  size_t next_message_ = 0;
};

bool take_number(std::string_view* text, uint64_t* out) {
  auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), *out);
  if (failure != std::errc()) {
    return false;
  }
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

bool take_space(std::string_view* text) {
  if (!text->starts_with(' ')) {
    return false;
  }
  text->remove_prefix(1);
  return true;
}

}  // namespace

std::string format_replay_position(const ReplayPosition& position) {
  return std::string(kPositionMagic) + std::to_string(position.offset) + " " +
         std::to_string(position.lines) + " " + std::to_string(position.messages);
}

std::optional<ReplayPosition> parse_replay_position(std::string_view text) {
  ReplayPosition out;
  if (!text.starts_with(kPositionMagic)) {
    return std::nullopt;
  }
  text.remove_prefix(kPositionMagic.size());
  const bool whole = take_number(&text, &out.offset) && take_space(&text) &&
                     take_number(&text, &out.lines) && take_space(&text) &&
                     take_number(&text, &out.messages) && text.empty();
  return whole ? std::optional(out) : std::nullopt;
}

const dstream_plugin& replay_plugin() {
  static constexpr char kSchema[] =
      R"({"type":"object","properties":{"file":{"type":"string"},"bytes":{"type":"integer"},
          "skip":{"type":"boolean"}},"required":["file","bytes","skip"]})";
  static constexpr dstream_connector kSource = dstream::source<ReplaySource>(
      kReplaySourceId, "1.0.0", "Reads dead letters, to send them again.", kSchema);
  static constexpr const dstream_connector* kConnectors[] = {&kSource};
  static constexpr dstream_plugin kPlugin = {DSTREAM_MAGIC,
                                             sizeof(dstream_plugin),
                                             DSTREAM_ABI_MINOR,
                                             0,
                                             kReplaySourceId,
                                             "DStream",
                                             "MIT",
                                             DSTREAM_BUILD_TEXT,
                                             kConnectors,
                                             1,
                                             0};
  return kPlugin;
}

}  // namespace dstream::core
