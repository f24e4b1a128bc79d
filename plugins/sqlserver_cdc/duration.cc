#include "plugins/sqlserver_cdc/duration.h"

#include <charconv>

namespace dstream::sqlserver {

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) {
    return std::nullopt;
  }
  struct Unit {
    std::string_view name;
    int64_t milliseconds;
  };
  constexpr Unit kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  for (const Unit& unit : kUnits) {
    if (suffix == unit.name && number <= 365 * int64_t{86'400'000} / unit.milliseconds) {
      return std::chrono::milliseconds(number * unit.milliseconds);
    }
  }
  return std::nullopt;
}

}  // namespace dstream::sqlserver
