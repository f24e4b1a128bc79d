// The lines of a file that grows, each once it is whole.
#pragma once

#include <fstream>
#include <string>
#include <utility>

namespace dstream::end_to_end {

// One thread. The file may not be there yet.
class LineTail {
 public:
  explicit LineTail(std::string path) : path_(std::move(path)) {}

  // False if no further line is whole by now.
  bool next(std::string* line) {
    if (!file_.is_open()) {
      file_.open(path_);
    }
    if (file_.is_open() && std::getline(file_, *line) && !file_.eof()) {
      offset_ += static_cast<std::streamoff>(line->size()) + 1;
      return true;
    }
    // A part of a line, of which more may be there already: from its beginning, not from the end.
    file_.clear();
    file_.seekg(offset_);
    return false;
  }

 private:
  const std::string path_;
  std::ifstream file_;
  std::streamoff offset_ = 0;
};

}  // namespace dstream::end_to_end
