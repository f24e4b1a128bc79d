// Batches of generated records. A batch is one block of memory that goes back to a pool when the
// host releases it, so that a steady stream allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dstream/abi.h"
#include "workload.h"

namespace generator {

// The tables of a workload as schemas. Lives as long as the last batch that refers to it.
class Schemas {
 public:
  explicit Schemas(const Options& options);
  Schemas(const Schemas&) = delete;
  Schemas& operator=(const Schemas&) = delete;
  const dstream_schema* table(uint32_t index) const { return &schemas_[index]; }

 private:
  std::string payload_type_;
  std::vector<std::string> names_;
  std::vector<dstream_column> columns_;
  std::vector<dstream_schema> schemas_;
};

class BatchPool;

// One batch and its memory.
class Block {
 public:
  // Fills the block with records first, first+1, ... and returns the batch for the host, whose
  // release() gives the block back to `pool`. REQUIRES: count >= 1.
  dstream_batch* fill(std::shared_ptr<BatchPool> pool, const Workload& workload,
                      const Schemas& schemas, uint64_t first, uint32_t count, int64_t now_ns);

 private:
  void reserve(uint32_t count);
  char* take(size_t size);
  const dstream_value* write_row(const Workload& workload, const Change& change);

  dstream_batch raw_{};
  std::shared_ptr<BatchPool> pool_;
  std::vector<dstream_record> records_;
  std::vector<dstream_field> headers_;
  std::vector<dstream_value> values_;
  size_t values_used_ = 0;
  std::unique_ptr<char[]> text_;
  size_t text_bytes_ = 0;
  size_t text_used_ = 0;
};

// Thread rule: [any-thread]; the host releases batches from whichever thread settles last.
class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  explicit BatchPool(const Options& options) : workload_(options), schemas_(options) {}

  const Workload& workload() const { return workload_; }
  dstream_batch* make(uint64_t first, uint32_t count, int64_t now_ns);
  void give_back(std::unique_ptr<Block> block) noexcept;

 private:
  const Workload workload_;
  const Schemas schemas_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Block>> free_;  // guarded by mutex_
};

// Records of a batch are limited so that their memory stays about this; one record always fits.
inline constexpr uint64_t kBatchBytesTarget = 1024 * 1024;
// How many records of `options` make such a batch, at least 1.
uint32_t batch_records_max(const Options& options);

// The position after record n: "1:" and n in 20 digits. The first number is the format's version.
inline constexpr size_t kPositionBytes = 22;
void write_position(uint64_t n, char* out);
// False if `text` is no position of this source.
bool read_position(std::string_view text, uint64_t* n);

}  // namespace generator
