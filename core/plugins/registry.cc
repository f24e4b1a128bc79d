#include "core/plugins/registry.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "core/plugins/breadcrumb.h"
#include "core/plugins/plugin_image.h"
#include "core/plugins/text.h"

namespace dstream::core {
namespace {

// Whoever can write to a plugin can run code as us. What the running user owns is the user's own
// business, as is whatever only its owner can write.
Result<struct stat> check_permissions(const std::string& path, const char* what) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return fail("DS-PLUGIN-FILE", "The " + std::string(what) + " " + path + " cannot be read: " +
                                      std::generic_category().message(errno) + ".");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && status.st_uid != ::geteuid()) {
    return fail("DS-PLUGIN-PERMISSIONS",
                "The " + std::string(what) + " " + path +
                    " belongs to another user and may be "
                    "written by more than its owner.",
                "chmod go-w " + path);
  }
  return status;
}

tl::unexpected<Error> refused(Error error, const std::string& file) {
  error.place = Place{file};
  return fail(std::move(error));
}

const LoadedConnector* find(const std::deque<LoadedConnector>& connectors, const std::string& id,
                            bool source) {
  for (const LoadedConnector& each : connectors) {
    if (each.is_source() == source && id == each.connector->id) {
      return &each;
    }
  }
  return nullptr;
}

}  // namespace

Result<void> PluginRegistry::load_folder(const std::string& folder) {
  auto permissions = check_permissions(folder, "folder");
  if (!permissions) {
    Error error = permissions.error();
    if (error.code == "DS-PLUGIN-FILE") {
      error.code = "DS-PLUGIN-FOLDER";
    }
    return fail(std::move(error));
  }
  std::vector<std::string> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end;
       at.increment(failure)) {
    if (at->path().extension() == ".so") {
      files.push_back(at->path().string());
    }
  }
  if (failure) {
    return fail("DS-PLUGIN-FOLDER",
                "The folder " + folder + " cannot be read: " + failure.message() + ".",
                "Check plugin_dirs and --plugin-dir.");
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    if (auto result = load_file(file); !result) {
      refusals_.push_back({file, result.error()});
    }
  }
  return {};
}

Result<void> PluginRegistry::load_file(const std::string& file) {
  auto result = load_checked(file);
  return result ? result : Result<void>(refused(result.error(), file));
}

Result<void> PluginRegistry::load_checked(const std::string& file) {
  std::error_code failure;
  // dlopen() would look for a name without a slash in the system's folders.
  std::string path = std::filesystem::canonical(file, failure).string();
  if (failure) {
    return fail("DS-PLUGIN-FILE", "The file cannot be opened: " + failure.message() + ".");
  }
  auto status = check_permissions(path, "file");
  if (!status) {
    return fail(status.error());
  }
  auto folder = check_permissions(std::filesystem::path(path).parent_path().string(), "folder");
  if (!folder) {
    return fail(folder.error());
  }
  std::pair<uint64_t, uint64_t> identity(status->st_dev, status->st_ino);
  if (loaded_files_.contains(identity)) {
    return {};
  }
  if (auto image = read_plugin_image(path); !image) {
    return fail(image.error());
  }
  void* library = nullptr;
  {
    Breadcrumb crumb(file.c_str(), "a constructor");
    library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  }
  if (library == nullptr) {
    const char* reason = ::dlerror();
    return fail(
        "DS-PLUGIN-LOAD",
        "The library cannot be loaded: " + printable(reason ? reason : "no reason given") + ".",
        "Install the libraries it needs; ldd -r names them.");
  }
  const auto* plugin = static_cast<const dstream_plugin*>(::dlsym(library, "dstream_plugin_v1"));
  if (plugin == nullptr) {
    return fail("DS-PLUGIN-SYMBOL", "The library has no symbol dstream_plugin_v1.");
  }
  remember_plugin_code(plugin, file.c_str());
  Breadcrumb crumb(file.c_str(), "the descriptor");
  if (auto result = add(*plugin, file); !result) {
    return result;
  }
  loaded_files_.insert(identity);
  return {};
}

Result<void> PluginRegistry::add(const dstream_plugin& plugin, const std::string& file) {
  if (auto result = check_descriptor(plugin); !result) {
    return result;
  }
  for (uint32_t i = 0; i < plugin.connector_count; i++) {
    for (const LoadedConnector& other : connectors_) {
      if (same_kind_and_id(*plugin.connectors[i], *other.connector)) {
        return fail("DS-PLUGIN-DUPLICATE",
                    "Its connector " + std::string(plugin.connectors[i]->id) + " is offered by " +
                        other.file + " already.",
                    "Remove one of the two files.");
      }
    }
  }
  for (uint32_t i = 0; i < plugin.connector_count; i++) {
    connectors_.push_back({plugin.connectors[i], &plugin, file});
  }
  return {};
}

const LoadedConnector* PluginRegistry::find_source(const std::string& id) const {
  return find(connectors_, id, true);
}

const LoadedConnector* PluginRegistry::find_sink(const std::string& id) const {
  return find(connectors_, id, false);
}

}  // namespace dstream::core
