#include "core/pipeline/test_records.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace dstream::core::testing {
namespace {

const dstream_schema& schema() {
  static constexpr uint32_t keys[] = {0};
  static const dstream_column columns[] = {
      {"id", "bigint", DSTREAM_INT64, {}, DSTREAM_COLUMN_KEY, 0, 0}};
  static const dstream_schema out = {sizeof(dstream_schema),
                                     sizeof(dstream_column),
                                     71,
                                     "shop",
                                     "dbo",
                                     "Persons",
                                     columns,
                                     1,
                                     1,
                                     keys};
  return out;
}

dstream_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

struct TestBatches::Block {
  TestBatches* owner = nullptr;
  dstream_batch raw{};
  std::vector<TestRecord> facts;
  std::vector<dstream_record> records;
  std::vector<dstream_value> values;
  dstream_field header{};
  bool released = false;
};

TestBatches::~TestBatches() {
  if (alive_ != 0) {
    std::fprintf(stderr, "%lld batches were not released\n", static_cast<long long>(alive_));
    std::abort();
  }
}

dstream_batch* TestBatches::make(const std::vector<TestRecord>& records, int64_t first,
                                 uint64_t byte_size) {
  auto block = std::make_shared<Block>();
  block->owner = this;
  block->facts = records;
  block->records.resize(records.size());
  block->values.resize(records.size());
  block->header = {"commit_lsn", bytes_of("00000027:000001f4:0003")};
  for (size_t i = 0; i < records.size(); ++i) {
    dstream_record& record = block->records[i];
    const TestRecord& facts = block->facts[i];
    block->values[i].type = DSTREAM_INT64;
    block->values[i].as.i64 = first + static_cast<int64_t>(i);
    record.op = facts.op == 'w'   ? DSTREAM_OP_WATERMARK
                : facts.op == 'd' ? DSTREAM_OP_DELETE
                                  : DSTREAM_OP_INSERT;
    if (facts.op != 'w') {
      record.schema = &schema();
      (facts.op == 'd' ? record.before : record.after) = &block->values[i];
      record.headers = &block->header;
      record.header_count = 1;
    }
    record.position = bytes_of(facts.position);
    record.commit_time_ns = 1'764'000'000'000'000'000;
  }
  block->raw.struct_size = sizeof block->raw;
  block->raw.record_stride = sizeof(dstream_record);
  block->raw.records = block->records.data();
  block->raw.record_count = static_cast<uint32_t>(records.size());
  block->raw.byte_size = byte_size;
  block->raw.release = release;
  block->raw.plugin_data = block.get();
  ++alive_;
  blocks_.push_back(std::move(block));
  return &blocks_.back()->raw;
}

void TestBatches::release(dstream_batch* batch) noexcept {
  auto* block = static_cast<Block*>(batch->plugin_data);
  if (block->released) {
    std::fprintf(stderr, "a batch was released twice\n");
    std::abort();
  }
  block->released = true;
  --block->owner->alive_;
}

Result<void> TestEncoder::encode(const dstream_record& record, uint32_t record_index, Arena& arena,
                                 std::vector<dstream_message>& out) {
  int64_t number = (record.after != nullptr ? record.after : record.before)->as.i64;
  if (number == refused_) {
    return fail("DS-ENCODE-TEST", "It cannot be encoded.");
  }
  dstream_message message{};
  message.topic = "shop.dbo.Persons";
  message.partition = -1;
  message.key = message.value = bytes_of(arena.copy(std::to_string(number)));
  message.record = record_index;
  out.push_back(message);
  if (record.op == DSTREAM_OP_DELETE) {
    message.value = {};
    out.push_back(message);
  }
  return {};
}

class FaultyAppendFile final : public AppendFile {
 public:
  FaultyAppendFile(FaultyFiles* files, std::string path, std::unique_ptr<AppendFile> file)
      : files_(files), path_(std::move(path)), file_(std::move(file)) {}
  Result<void> append(std::string_view bytes) override {
    if (auto attempted = files_->attempt("append", path_); !attempted) {
      // A disk that fills up takes a part of it.
      return file_->append(bytes.substr(0, bytes.size() / 2)).and_then([&]() -> Result<void> {
        return attempted;
      });
    }
    return file_->append(bytes);
  }
  Result<void> sync() override {
    auto attempted = files_->attempt("sync", path_);
    return attempted ? file_->sync() : attempted;
  }

 private:
  FaultyFiles* files_;
  std::string path_;
  std::unique_ptr<AppendFile> file_;
};

Result<void> FaultyFiles::attempt(const std::string& operation, const std::string& path) {
  calls.push_back(operation + " " + path.substr(path.rfind('/') + 1));
  if (operation == failing) {
    return fail("DS-FILE-FULL", "Cannot " + operation + " " + path + ": No space left on device.",
                "Free some space on that disk.");
  }
  return {};
}

Result<std::string> FaultyFiles::read(const std::string& path, uint64_t size_max) {
  return disk_->read(path, size_max);
}
Result<std::string> FaultyFiles::read_last(const std::string& path, uint64_t size) {
  return disk_->read_last(path, size);
}
Result<std::string> FaultyFiles::read_part(const std::string& path, uint64_t offset,
                                           uint64_t size) {
  return disk_->read_part(path, offset, size);
}
Result<uint64_t> FaultyFiles::file_bytes(const std::string& path) {
  return disk_->file_bytes(path);
}
Result<std::vector<std::string>> FaultyFiles::list_folder(const std::string& path) {
  return disk_->list_folder(path);
}
Result<void> FaultyFiles::write_durable(const std::string& path, std::string_view bytes) {
  auto attempted = attempt("write", path);
  return attempted ? disk_->write_durable(path, bytes) : attempted;
}
Result<void> FaultyFiles::rename(const std::string& from, const std::string& to) {
  auto attempted = attempt("rename", to);
  return attempted ? disk_->rename(from, to) : attempted;
}
Result<void> FaultyFiles::remove(const std::string& path) { return disk_->remove(path); }
Result<void> FaultyFiles::sync_folder(const std::string& path) {
  auto attempted = attempt("sync", path);
  return attempted ? disk_->sync_folder(path) : attempted;
}
Result<void> FaultyFiles::make_folders(const std::string& path) {
  return disk_->make_folders(path);
}
bool FaultyFiles::exists(const std::string& path) { return disk_->exists(path); }
Result<std::unique_ptr<AppendFile>> FaultyFiles::open_append(const std::string& path) {
  auto file = disk_->open_append(path);
  if (!file) {
    return fail(file.error());
  }
  return std::make_unique<FaultyAppendFile>(this, path, std::move(*file));
}
Result<std::unique_ptr<FileLock>> FaultyFiles::lock(const std::string& path) {
  return disk_->lock(path);
}

TestFolder::TestFolder() {
  path_ = (std::filesystem::temp_directory_path() / "dstream-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) {
    std::abort();
  }
}
TestFolder::~TestFolder() { std::filesystem::remove_all(path_); }

}  // namespace dstream::core::testing
