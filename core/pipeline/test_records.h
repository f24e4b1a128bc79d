// Batches, a clock and a disk for the engine's unit tests.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/messages/encoder.h"
#include "dstream/abi.h"

namespace dstream::core::testing {

class ManualClock final : public Clock {
 public:
  int64_t monotonic_ns() const override { return now_ns; }
  int64_t wall_ns() const override { return 1'764'000'000'123'456'789 + now_ns; }
  int64_t now_ns = 0;
};

// One record: "i" insert, "d" delete, "w" watermark; the position may be empty.
struct TestRecord {
  char op = 'i';
  std::string position;
};

// Counts what is alive; a second release aborts.
class TestBatches {
 public:
  ~TestBatches();
  // The records' values are their numbers, from `first` on.
  dstream_batch* make(const std::vector<TestRecord>& records, int64_t first = 1,
                      uint64_t byte_size = 0);
  int64_t alive() const { return alive_; }

 private:
  struct Block;
  static void release(dstream_batch* batch) noexcept;
  std::deque<std::shared_ptr<Block>> blocks_;
  int64_t alive_ = 0;
};

// One message a record with the record's number as key and value, a tombstone after a delete.
// Refuses number `refused`.
class TestEncoder final : public Encoder {
 public:
  explicit TestEncoder(int64_t refused = -1) : refused_(refused) {}
  Result<void> encode(const dstream_record& record, uint32_t record_index, Arena& arena,
                      std::vector<dstream_message>& out) override;

 private:
  int64_t refused_;
};

// A disk on which the next operations of a kind fail.
class FaultyFiles final : public FileSystem {
 public:
  std::string failing;  // "write", "rename", "sync", "append"; "" for none
  std::vector<std::string> calls;

  Result<std::string> read(const std::string& path, uint64_t size_max) override;
  Result<std::string> read_last(const std::string& path, uint64_t size) override;
  Result<std::string> read_part(const std::string& path, uint64_t offset, uint64_t size) override;
  Result<uint64_t> file_bytes(const std::string& path) override;
  Result<std::vector<std::string>> list_folder(const std::string& path) override;
  Result<void> write_durable(const std::string& path, std::string_view bytes) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_folder(const std::string& path) override;
  Result<void> make_folders(const std::string& path) override;
  bool exists(const std::string& path) override;
  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  friend class FaultyAppendFile;
  Result<void> attempt(const std::string& operation, const std::string& path);
  std::unique_ptr<FileSystem> disk_ = make_system_file_system();
};

// A folder that goes away with the test.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace dstream::core::testing
