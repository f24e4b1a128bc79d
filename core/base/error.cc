#include "core/base/error.h"

namespace dstream::core {

std::string Place::text() const {
  std::string out = file;
  if (line > 0) {
    out += ':' + std::to_string(line);
    if (column > 0) {
      out += ':' + std::to_string(column);
    }
  }
  return out;
}

std::string Error::text() const {
  std::string out;
  if (place && !place->text().empty()) {
    out = place->text() + ": ";
  }
  out += code + ": " + message;
  if (!hint.empty()) {
    out += " Hint: " + hint;
  }
  return out;
}

}  // namespace dstream::core
