// Reads the keys of one JSON object of the configuration; says which key is wrong.
//
// Thread rule: plain values.
#pragma once

#include <Poco/JSON/Object.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "dstream/plugin.hpp"

namespace eventhubs {

[[noreturn]] inline void refuse_key(const std::string& pointer, const std::string& reason) {
  throw dstream::Error(DSTREAM_CONFIG, pointer + ": " + reason);
}

class SettingsReader {
 public:
  SettingsReader(Poco::JSON::Object::Ptr object, std::string pointer)
      : object_(std::move(object)), pointer_(std::move(pointer)) {}

  const std::string& pointer() const { return pointer_; }
  const Poco::JSON::Object& object() const { return *object_; }
  bool has(const std::string& key) const { return object_->has(key); }

  // Leave `out` as it is if the key is not there. Throw dstream::Error (CONFIG).
  template <class T>
  void read(const std::string& key, T* out) const {
    if (!has(key)) {
      return;
    }
    try {
      *out = object_->get(key).convert<T>();
    } catch (const Poco::Exception&) {
      refuse_key(pointer_ + "/" + key, "The value has the wrong type.");
    }
  }
  void duration(const std::string& key, uint32_t* out_ms) const {
    constexpr Unit kDurations[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
    if (const auto number = with_unit(key, kDurations, "20ms or 5s")) {
      *out_ms = static_cast<uint32_t>(*number);
    }
  }
  void size(const std::string& key, uint64_t* out_bytes) const {
    constexpr Unit kSizes[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    if (const auto number = with_unit(key, kSizes, "512KiB or 16MiB")) {
      *out_bytes = *number;
    }
  }
  std::optional<SettingsReader> child(const std::string& key) const {
    Poco::JSON::Object::Ptr object = has(key) ? object_->getObject(key) : nullptr;
    return object.isNull() ? std::nullopt
                           : std::optional<SettingsReader>({object, pointer_ + "/" + key});
  }

 private:
  struct Unit {
    std::string_view name;
    uint64_t factor;
  };

  // "20ms", "16MiB": a whole number and a unit, as everywhere in the configuration.
  std::optional<uint64_t> with_unit(const std::string& key, std::span<const Unit> units,
                                    const char* examples) const {
    std::string text;
    read(key, &text);
    if (text.empty()) {
      return std::nullopt;
    }
    uint32_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view name(stop, static_cast<size_t>(text.data() + text.size() - stop));
    for (const Unit& unit : units) {
      if (error == std::errc() && unit.name == name) {
        return number * unit.factor;
      }
    }
    refuse_key(pointer_ + "/" + key,
               std::string("Expected a number and a unit, such as ") + examples + ".");
  }

  Poco::JSON::Object::Ptr object_;
  std::string pointer_;
};

}  // namespace eventhubs
