#include "core/claims/folder_target.h"

#include <filesystem>
#include <utility>

namespace dstream::core {
namespace {

// A percent sign and blanks would be read as something else in a URL.
std::string url_path(const std::string& path) {
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte <= ' ' || byte >= 127 || c == '%' || c == '?' || c == '#' || c == '"') {
      out += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

FolderTarget::FolderTarget(std::string folder, FileSystem* files, uint64_t seed)
    : folder_(std::filesystem::absolute(folder).lexically_normal().string()),
      files_(files),
      unique_(std::to_string(seed)) {}

std::string FolderTarget::location(const std::string& name) const {
  return "file://" + url_path(folder_ + "/" + name);
}

ClaimTarget::Attempt FolderTarget::put(const std::string& name, std::string_view value) {
  // Never made: where a disk is not mounted, its folder is on the wrong one.
  if (!files_->exists(folder_)) {
    return {Outcome::kAgain, "the folder " + folder_ + " is not there", 0};
  }
  if (Result<void> stored = store(name, value); !stored) {
    std::string why = stored.error().message;
    while (why.ends_with('.')) {
      why.pop_back();
    }
    const bool denied = stored.error().code == "DS-FILE-DENIED";
    return {denied ? Outcome::kDenied : Outcome::kAgain, std::move(why), 0};
  }
  return {};
}

// Readers see all of it or nothing; two hosts that store the same value do not meet before the
// renaming, which is of equal bytes.
Result<void> FolderTarget::store(const std::string& name, std::string_view value) {
  const std::string path = folder_ + "/" + name;
  const std::string parent = path.substr(0, path.rfind('/'));
  if (!files_->exists(parent)) {
    if (auto made = files_->make_folders(parent); !made) {
      return made;
    }
    if (auto synced = files_->sync_folder(folder_); !synced) {
      return synced;
    }
  }
  const std::string partial = parent + "/.partial-" + unique_;
  if (auto written = files_->write_durable(partial, value); !written) {
    // What is left of it would take the room that is missing. That it may stay says `written`.
    static_cast<void>(files_->remove(partial));
    return written;
  }
  if (auto renamed = files_->rename(partial, path); !renamed) {
    return renamed;
  }
  return files_->sync_folder(parent);  // (I1)
}

}  // namespace dstream::core
