#include <algorithm>
#include <filesystem>
#include <system_error>

#include "core/config/config.h"

namespace dstream::core {
namespace {

namespace fs = std::filesystem;

Error file_error(const std::string& path, std::string message, std::string hint = {}) {
  return Error{"DS-CONFIG-FILE", std::move(message), std::move(hint), Place{path, 0, 0},
               ExitCode::kUsage};
}

Result<std::vector<std::string>> files_in_folder(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code error;
  if (fs::exists(folder / "dstream.yaml", error)) {
    out.push_back((folder / "dstream.yaml").string());
  }
  std::vector<std::string> pipelines;
  fs::path below = folder / "pipelines";
  if (fs::is_directory(below, error)) {
    fs::directory_iterator at(below, error);
    for (; !error && at != fs::directory_iterator(); at.increment(error)) {
      std::string name = at->path().filename().string();
      if (!name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))) {
        pipelines.push_back(at->path().string());
      }
    }
    if (error) {
      return fail(
          file_error(below.string(), "The folder cannot be read: " + error.message() + "."));
    }
  }
  std::sort(pipelines.begin(), pipelines.end());
  out.insert(out.end(), pipelines.begin(), pipelines.end());
  if (out.empty()) {
    return fail(file_error(folder.string(),
                           "The folder has neither dstream.yaml nor pipelines/*.yaml.",
                           "Name the file itself if it has another name."));
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> config_files(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    std::error_code error;
    fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      return fail(file_error(path, "There is no such file or folder."));
    }
    if (!fs::is_directory(status)) {
      out.push_back(path);
      continue;
    }
    auto files = files_in_folder(path);
    if (!files) {
      return tl::unexpected(files.error());
    }
    out.insert(out.end(), files->begin(), files->end());
  }
  return out;
}

}  // namespace dstream::core
