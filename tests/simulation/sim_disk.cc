#include "tests/simulation/sim_disk.h"

#include <algorithm>

namespace dstream::simulation {
namespace {

core::Error missing(const std::string& path) {
  return core::Error{"DS-FILE-MISSING", path + " is missing.", "", std::nullopt,
                     core::ExitCode::kFailed};
}

}  // namespace

class SimDisk::File final : public core::AppendFile {
 public:
  File(SimDisk* disk, std::string path, std::shared_ptr<Inode> inode)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)) {}

  core::Result<void> append(std::string_view bytes) override {
    // A full disk takes the beginning of a line.
    auto begun = disk_->begin(path_);
    inode_->content += begun ? bytes : bytes.substr(0, disk_->random_->below(bytes.size() + 1));
    return begun;
  }
  core::Result<void> sync() override {
    auto begun = disk_->begin(path_);
    if (begun) {
      inode_->durable_size = inode_->content.size();
      inode_->durable = true;
    }
    return begun;
  }

 private:
  SimDisk* disk_;
  std::string path_;
  std::shared_ptr<Inode> inode_;
};

class SimDisk::Lock final : public core::FileLock {
 public:
  Lock(SimDisk* disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~Lock() override { disk_->locked_.erase(path_); }

 private:
  SimDisk* disk_;
  std::string path_;
};

core::Result<void> SimDisk::begin(const std::string& path) {
  if (stop_in_ > 0 && --stop_in_ == 0) {
    throw MachineStopped{};
  }
  if (random_->chance(failures_per_mille_)) {
    return core::fail("DS-FILE-FULL", "Cannot write " + path + ": No space left on device.");
  }
  return {};
}

void SimDisk::apply(const Change& change) {
  for (const auto& [name, inode] : change) {
    if (inode == nullptr) {
      names_.erase(name);
    } else {
      names_[name] = inode;
    }
  }
}

core::Result<std::string> SimDisk::read(const std::string& path, uint64_t size_max) {
  auto found = names_.find(path);
  if (found == names_.end()) {
    return core::fail(missing(path));
  }
  if (found->second->content.size() > size_max) {
    return core::fail("DS-FILE-TOO-LARGE", path + " is too large.");
  }
  return found->second->content;
}

core::Result<std::string> SimDisk::read_last(const std::string& path, uint64_t size) {
  auto content = read(path, UINT64_MAX);
  if (content && content->size() > size) {
    return content->substr(content->size() - size);
  }
  return content;
}

core::Result<std::string> SimDisk::read_part(const std::string& path, uint64_t offset,
                                             uint64_t size) {
  auto content = read(path, UINT64_MAX);
  if (content) {
    return content->size() > offset ? content->substr(offset, size) : std::string();
  }
  return content;
}

core::Result<uint64_t> SimDisk::file_bytes(const std::string& path) {
  auto content = read(path, UINT64_MAX);
  if (!content) {
    return core::fail(content.error());
  }
  return content->size();
}

core::Result<std::vector<std::string>> SimDisk::list_folder(const std::string& path) {
  std::vector<std::string> out;
  for (const auto& [name, inode] : names_) {
    if (name.starts_with(path + "/") && name.find('/', path.size() + 1) == std::string::npos) {
      out.push_back(name.substr(path.size() + 1));
    }
  }
  return out;
}

core::Result<void> SimDisk::write_durable(const std::string& path, std::string_view bytes) {
  auto found = names_.find(path);
  bool is_new = found == names_.end();
  std::shared_ptr<Inode> inode = is_new ? std::make_shared<Inode>() : found->second;
  inode->content = bytes.substr(0, random_->below(bytes.size() + 1));
  inode->durable_size = 0;
  inode->durable = false;
  if (is_new) {
    changes_.push_back({{path, inode}});
    names_[path] = inode;
  }
  auto begun = begin(path);
  if (begun) {
    inode->content = bytes;
    inode->durable_size = bytes.size();
    inode->durable = true;
  }
  return begun;
}

core::Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  auto found = names_.find(from);
  if (found == names_.end()) {
    return core::fail(missing(from));
  }
  auto begun = begin(to);
  if (begun) {
    Change change{{to, found->second}, {from, nullptr}};
    changes_.push_back(change);
    apply(change);
  }
  return begun;
}

core::Result<void> SimDisk::remove(const std::string& path) {
  auto begun = begin(path);
  if (begun && names_.count(path) > 0) {
    changes_.push_back({{path, nullptr}});
    names_.erase(path);
  }
  return begun;
}

core::Result<void> SimDisk::sync_folder(const std::string& path) {
  auto begun = begin(path);
  if (!begun) {
    return begun;  // What was pending still is.
  }
  durable_names_ = names_;
  changes_.clear();
  if (on_folder_synced) {
    on_folder_synced();
  }
  return {};
}

core::Result<void> SimDisk::make_folders(const std::string&) { return {}; }

bool SimDisk::exists(const std::string& path) { return names_.count(path) > 0; }

core::Result<std::unique_ptr<core::AppendFile>> SimDisk::open_append(const std::string& path) {
  std::shared_ptr<Inode>& inode = names_[path];
  if (inode == nullptr) {
    inode = std::make_shared<Inode>();
    changes_.push_back({{path, inode}});
  }
  return std::make_unique<File>(this, path, inode);
}

core::Result<std::unique_ptr<core::FileLock>> SimDisk::lock(const std::string& path) {
  if (!locked_.insert(path).second) {
    return core::fail("DS-FILE-LOCKED", path + " is locked.");
  }
  return std::make_unique<Lock>(this, path);
}

void SimDisk::wipe() {
  names_.clear();
  durable_names_.clear();
  changes_.clear();
  locked_.clear();
}

void SimDisk::crash() {
  stop_in_ = 0;
  names_ = durable_names_;
  for (const Change& change : changes_) {
    if (random_->chance(500)) {
      apply(change);
    }
  }
  changes_.clear();
  std::set<Inode*> seen;
  for (auto& [name, inode] : names_) {
    if (!seen.insert(inode.get()).second) {
      continue;
    }
    // Of what was not synced, any beginning is there.
    size_t lost = inode->content.size() - inode->durable_size;
    inode->content.resize(inode->durable_size + random_->below(lost + 1));
    inode->durable_size = inode->content.size();
    inode->durable = true;
  }
  durable_names_ = names_;
}

std::string SimDisk::guaranteed(const std::string& path) const {
  auto found = durable_names_.find(path);
  if (found == durable_names_.end()) {
    return "";
  }
  return found->second->content.substr(0, found->second->durable_size);
}

std::vector<std::string> SimDisk::guaranteed_paths(const std::string& prefix) const {
  std::vector<std::string> out;
  for (const auto& [name, inode] : durable_names_) {
    if (name.starts_with(prefix)) {
      out.push_back(name);
    }
  }
  return out;
}

std::vector<std::optional<std::string>> SimDisk::possible(const std::string& path) const {
  std::vector<std::optional<std::string>> out;
  auto add = [&out](const Names& names, const std::string& name) {
    auto found = names.find(name);
    bool there = found != names.end() && found->second != nullptr;
    out.push_back(there ? std::optional<std::string>(found->second->content) : std::nullopt);
  };
  add(durable_names_, path);
  for (const Change& change : changes_) {
    if (change.count(path) > 0) {
      add(change, path);
    }
  }
  return out;
}

}  // namespace dstream::simulation
