#include "core/config/units.h"

#include <charconv>
#include <span>

namespace dstream::core {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr uint64_t kDurationMax = 10'000ull * 24 * 3600 * 1000;
constexpr uint64_t kSizeMax = 1ull << 60;

std::optional<uint64_t> parse(std::string_view text, std::span<const Unit> units, uint64_t max) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) {
    return std::nullopt;
  }
  std::string_view name(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (unit.name == name) {
      return number <= max / unit.factor ? std::optional(number * unit.factor) : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  static constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  auto value = parse(text, kUnits, kDurationMax);
  return value ? std::optional(static_cast<int64_t>(*value)) : std::nullopt;
}

std::optional<uint64_t> parse_size_bytes(std::string_view text) {
  static constexpr Unit kUnits[] = {
      {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}};
  return parse(text, kUnits, kSizeMax);
}

}  // namespace dstream::core
