// A disk that forgets what was not made durable when the machine stops.
//
// Contents become durable by an fsync of the file, names by an fsync of the folder. On a crash
// every change of a name since the last sync_folder() may or may not have reached the disk, each
// for itself, and so may any beginning of what was appended. That is harsher than any real file
// system.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/file_system.h"
#include "tests/simulation/random.h"

namespace dstream::simulation {

// Thrown by an operation in whose middle the machine stops.
struct MachineStopped {};

class SimDisk final : public core::FileSystem {
 public:
  explicit SimDisk(Random* random) : random_(random) {}

  core::Result<std::string> read(const std::string& path, uint64_t size_max) override;
  core::Result<std::string> read_last(const std::string& path, uint64_t size) override;
  core::Result<std::string> read_part(const std::string& path, uint64_t offset,
                                      uint64_t size) override;
  core::Result<uint64_t> file_bytes(const std::string& path) override;
  core::Result<std::vector<std::string>> list_folder(const std::string& path) override;
  core::Result<void> write_durable(const std::string& path, std::string_view bytes) override;
  core::Result<void> rename(const std::string& from, const std::string& to) override;
  core::Result<void> remove(const std::string& path) override;
  core::Result<void> sync_folder(const std::string& path) override;
  core::Result<void> make_folders(const std::string& path) override;
  bool exists(const std::string& path) override;
  core::Result<std::unique_ptr<core::AppendFile>> open_append(const std::string& path) override;
  core::Result<std::unique_ptr<core::FileLock>> lock(const std::string& path) override;

  // Every operation that writes fails with this chance.
  void set_failures(uint64_t per_mille) { failures_per_mille_ = per_mille; }
  // The machine stops in the middle of the n-th writing operation from now; 0: not.
  void stop_at_operation(uint64_t count) { stop_in_ = count; }
  // Nothing is left, as on another machine.
  void wipe();
  // The machine has stopped: forget.
  void crash();

  // What a crash now leaves in any case: the part of the file that is durable, "" if none is.
  std::string guaranteed(const std::string& path) const;
  // The paths that begin so and are there after a crash now.
  std::vector<std::string> guaranteed_paths(const std::string& prefix) const;
  // Everything a whole file might hold after a crash now; nullopt for a file that is not there.
  std::vector<std::optional<std::string>> possible(const std::string& path) const;
  // After each sync_folder() that worked.
  std::function<void()> on_folder_synced;

 private:
  struct Inode {
    std::string content;
    size_t durable_size = 0;  // of content; a write in place has none of the old content left
    bool durable = false;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  // Names that changed together: all or nothing.
  using Change = std::map<std::string, std::shared_ptr<Inode>>;
  class File;
  class Lock;

  core::Result<void> begin(const std::string& path);
  void apply(const Change& change);

  Random* const random_;
  Names names_;                  // as a running process sees them
  Names durable_names_;          // as of the last sync_folder()
  std::vector<Change> changes_;  // since then
  std::set<std::string> locked_;
  uint64_t failures_per_mille_ = 0;
  uint64_t stop_in_ = 0;
};

}  // namespace dstream::simulation
