#include "host/locations.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace dstream::host {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string self_path() {
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? "/proc/self/exe" : self.string();
}

std::vector<std::string> default_plugin_dirs() {
  std::vector<std::string> out;
  fs::path folder = fs::path(self_path()).parent_path();
  for (const char* relative : {DSTREAM_PLUGIN_DIR_FROM_PROGRAM, "../plugin-dir"}) {
    std::error_code error;
    fs::path candidate = fs::weakly_canonical(folder / relative, error);
    if (!error && fs::is_directory(candidate, error)) {
      out.push_back(candidate.string());
    }
  }
  return out;
}

std::string default_state_dir() {
  std::string systemd = environment("STATE_DIRECTORY");
  if (!systemd.empty()) {
    return systemd.substr(0, systemd.find(':'));
  }
  if (geteuid() == 0) {
    return "/var/lib/dstream";
  }
  std::string state = environment("XDG_STATE_HOME");
  return state.starts_with('/') ? state + "/dstream"
                                : environment("HOME") + "/.local/state/dstream";
}

}  // namespace dstream::host
