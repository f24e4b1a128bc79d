#include "core/config/nearest.h"

#include <algorithm>

namespace dstream::core {
namespace {

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// Optimal string alignment distance, three rows at a time.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t cost = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view written,
                                        const std::vector<std::string>& known) {
  constexpr size_t kWrittenMax = 64;
  if (written.empty() || written.size() > kWrittenMax) {
    return std::nullopt;
  }
  const std::string* best = nullptr;
  size_t best_distance = 0;
  for (const std::string& name : known) {
    size_t away = distance(written, name);
    size_t allowed = std::max<size_t>(1, std::max(name.size(), written.size()) / 3);
    if (away <= allowed && (best == nullptr || away < best_distance)) {
      best = &name;
      best_distance = away;
    }
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

std::string join_names(const std::vector<std::string>& names, size_t count_max) {
  std::string out;
  size_t shown = std::min(names.size(), count_max);
  for (size_t i = 0; i < shown; ++i) {
    if (i > 0) {
      out += i + 1 == names.size() ? " and " : ", ";
    }
    out += names[i];
  }
  if (shown < names.size()) {
    out += " and " + std::to_string(names.size() - shown) + " more";
  }
  return out;
}

}  // namespace dstream::core
