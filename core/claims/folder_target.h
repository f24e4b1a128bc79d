// Claim-checked values as files of a folder, one below it for each pipeline.
#pragma once

#include <string>

#include "core/claims/claim_target.h"

namespace dstream::core {

class FolderTarget final : public ClaimTarget {
 public:
  FolderTarget(std::string folder, FileSystem* files, uint64_t seed);

  std::string location(const std::string& name) const override;
  Attempt put(const std::string& name, std::string_view value) override;
  // A write to a disk cannot be ended.
  void cancel() override {}

 private:
  Result<void> store(const std::string& name, std::string_view value);

  const std::string folder_;
  FileSystem* const files_;
  const std::string unique_;  // of this target's temporary files
};

}  // namespace dstream::core
