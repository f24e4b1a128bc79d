#include "batch.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <random>
#include <utility>

namespace generator {
namespace {

constexpr uint32_t kColumns = 4;
constexpr size_t kLsnBytes = 22;
constexpr size_t kLsnCounterBytes = 17;  // without the last group, which stays
constexpr size_t kFreeBlocksMax = 8;
constexpr std::string_view kPositionVersion = "1:";

// As SQL Server spells a log position: 8, 8 and 4 hexadecimal digits. Order of text is order of
// numbers.
void write_lsn(uint64_t number, char* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = 7; i >= 0; --i) {
    out[i] = kDigits[(number >> (32 + 4 * (7 - i))) & 15];
    out[9 + i] = kDigits[(number >> (4 * (7 - i))) & 15];
  }
  out[8] = out[17] = ':';
  std::fill_n(out + 18, 3, '0');
  out[21] = '1';
}

// The next number in a text of fixed width, as the one of record n + 1 follows that of n: mostly
// one digit changes. `separator` is passed over.
void increment(char* text, size_t size, char last_digit, char separator) {
  for (size_t i = size; i > 0; --i) {
    char& digit = text[i - 1];
    if (digit == separator) {
      continue;
    }
    if (digit != last_digit) {
      digit = digit == '9' ? 'a' : static_cast<char>(digit + 1);
      return;
    }
    digit = '0';
  }
}

uint64_t row_bytes(const Options& options) {
  return options.size + kColumns * sizeof(dstream_value);
}

void set_integer(dstream_value& value, uint64_t number) {
  value = {};
  value.type = DSTREAM_INT64;
  value.as.i64 = static_cast<int64_t>(number);
}

dstream_column column(const char* name, const char* source_type, dstream_type type,
                      uint32_t flags) {
  dstream_column c{};
  c.name = name;
  c.source_type = source_type;
  c.type = type;
  c.flags = flags;
  return c;
}

}  // namespace

Schemas::Schemas(const Options& options) {
  // From a random start, as ids must not meet those of other plugins in the process.
  static std::atomic<uint64_t> next_id{uint64_t{std::random_device{}()} << 32};
  static constexpr uint32_t kKey[] = {0};
  payload_type_ = options.size <= 8000
                      ? "varchar(" + std::to_string(std::max<uint64_t>(options.size, 1)) + ")"
                      : "varchar(max)";
  columns_ = {column("id", "bigint", DSTREAM_INT64, DSTREAM_COLUMN_KEY),
              column("sequence", "bigint", DSTREAM_INT64, 0),
              column("version", "bigint", DSTREAM_INT64, 0),
              column("payload", payload_type_.c_str(), DSTREAM_STRING, 0)};
  names_.reserve(options.tables);
  for (uint32_t i = 0; i < options.tables; ++i) {
    names_.push_back("records_" + std::to_string(i + 1));
    dstream_schema schema{};
    schema.struct_size = sizeof schema;
    schema.column_stride = sizeof(dstream_column);
    schema.id = next_id++;
    schema.database = "generator";
    schema.name_space = "load";
    schema.name = names_.back().c_str();
    schema.columns = columns_.data();
    schema.column_count = kColumns;
    schema.key_count = 1;
    schema.key_columns = kKey;
    schemas_.push_back(schema);
  }
}

void Block::reserve(uint32_t count) {
  const size_t text = count * (kPositionBytes + 2 * kLsnBytes);
  records_.resize(count);
  headers_.resize(2 * static_cast<size_t>(count));
  // Twice: an update has a before and an after.
  values_.resize(2 * static_cast<size_t>(count) * kColumns);
  if (text > text_bytes_) {
    text_.reset(new char[text]);
    text_bytes_ = text;
  }
  values_used_ = 0;
  text_used_ = 0;
}

char* Block::take(size_t size) {
  char* at = text_.get() + text_used_;
  text_used_ += size;
  return at;
}

const dstream_value* Block::write_row(const Workload& workload, const Change& change) {
  dstream_value* values = values_.data() + values_used_;
  values_used_ += kColumns;
  set_integer(values[0], change.id);
  set_integer(values[1], change.sequence);
  set_integer(values[2], change.version);
  values[3] = {};
  values[3].type = DSTREAM_STRING;
  values[3].size = static_cast<uint32_t>(workload.options().size);
  values[3].as.data = reinterpret_cast<const uint8_t*>(workload.payload(change.sequence));
  return values;
}

dstream_batch* Block::fill(std::shared_ptr<BatchPool> pool, const Workload& workload,
                           const Schemas& schemas, uint64_t first, uint32_t count, int64_t now_ns) {
  reserve(count);
  const char* commit_lsn = nullptr;
  char next_position[kPositionBytes];
  char next_change_lsn[kLsnBytes];
  char next_commit_lsn[kLsnBytes];
  write_position(first, next_position);
  write_lsn(first, next_change_lsn);
  write_lsn(workload.change(first).transaction, next_commit_lsn);
  for (uint32_t i = 0; i < count; ++i) {
    const Change change = workload.change(first + i);
    dstream_record& record = records_[i];
    record = {};
    record.op = change.op;
    record.flags = change.transaction_end ? uint32_t{DSTREAM_RECORD_TX_END} : 0u;
    record.schema = schemas.table(change.table);
    if (change.op != DSTREAM_OP_INSERT) {
      record.before = write_row(workload, workload.change(workload.previous(change)));
    }
    if (change.op != DSTREAM_OP_DELETE) {
      record.after = write_row(workload, change);
    }
    char* position = take(kPositionBytes);
    std::memcpy(position, next_position, kPositionBytes);
    increment(next_position, kPositionBytes, '9', ':');
    record.position = {reinterpret_cast<const uint8_t*>(position), kPositionBytes};
    if (commit_lsn == nullptr || change.transaction_seq == 1) {
      char* lsn = take(kLsnBytes);
      std::memcpy(lsn, next_commit_lsn, kLsnBytes);
      increment(next_commit_lsn, kLsnCounterBytes, 'f', ':');
      commit_lsn = lsn;
    }
    char* change_lsn = take(kLsnBytes);
    std::memcpy(change_lsn, next_change_lsn, kLsnBytes);
    increment(next_change_lsn, kLsnCounterBytes, 'f', ':');
    record.transaction_id = {reinterpret_cast<const uint8_t*>(commit_lsn), kLsnBytes};
    record.transaction_seq = change.transaction_seq;
    record.commit_time_ns = record.read_time_ns = now_ns;
    dstream_field* headers = headers_.data() + 2 * static_cast<size_t>(i);
    headers[0] = {"commit_lsn", record.transaction_id};
    headers[1] = {"change_lsn", {reinterpret_cast<const uint8_t*>(change_lsn), kLsnBytes}};
    record.headers = headers;
    record.header_count = 2;
  }
  pool_ = std::move(pool);
  raw_ = {};
  raw_.struct_size = sizeof raw_;
  raw_.record_stride = sizeof(dstream_record);
  raw_.records = records_.data();
  raw_.record_count = count;
  // Payloads count as if each batch held its own: a queue of these fills as one of real rows does.
  raw_.byte_size = text_bytes_ + values_used_ / kColumns * workload.options().size +
                   records_.capacity() * sizeof(dstream_record) +
                   headers_.capacity() * sizeof(dstream_field) +
                   values_.capacity() * sizeof(dstream_value);
  raw_.plugin_data = this;
  raw_.release = [](dstream_batch* batch) noexcept {
    std::unique_ptr<Block> block(static_cast<Block*>(batch->plugin_data));
    // Moved out first: the pool must outlive the call that may free it.
    std::shared_ptr<BatchPool> home = std::move(block->pool_);
    home->give_back(std::move(block));
  };
  return &raw_;
}

dstream_batch* BatchPool::make(uint64_t first, uint32_t count, int64_t now_ns) {
  std::unique_ptr<Block> block;
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      block = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (block == nullptr) {
    block = std::make_unique<Block>();
  }
  dstream_batch* batch = block->fill(shared_from_this(), workload_, schemas_, first, count, now_ns);
  (void)block.release();  // owned by the batch, until the host releases that
  return batch;
}

void BatchPool::give_back(std::unique_ptr<Block> block) noexcept {
  std::lock_guard lock(mutex_);
  if (free_.size() < kFreeBlocksMax) {
    try {
      free_.push_back(std::move(block));
    } catch (...) {
      // Out of memory: the block is freed instead of kept.
    }
  }
}

uint32_t batch_records_max(const Options& options) {
  const uint64_t bytes = row_bytes(options) + sizeof(dstream_record) + kPositionBytes;
  return static_cast<uint32_t>(std::max<uint64_t>(1, kBatchBytesTarget / bytes));
}

void write_position(uint64_t n, char* out) {
  std::memcpy(out, kPositionVersion.data(), kPositionVersion.size());
  for (size_t i = kPositionBytes; i > kPositionVersion.size(); --i) {
    out[i - 1] = static_cast<char>('0' + n % 10);
    n /= 10;
  }
}

bool read_position(std::string_view text, uint64_t* n) {
  if (text.size() != kPositionBytes || !text.starts_with(kPositionVersion)) {
    return false;
  }
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data() + kPositionVersion.size(), end, *n);
  return error == std::errc() && stop == end;
}

}  // namespace generator
