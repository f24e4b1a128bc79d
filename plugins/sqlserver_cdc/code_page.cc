#include "plugins/sqlserver_cdc/code_page.h"

#include <iconv.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "plugins/sqlserver_cdc/utf16.h"

namespace dstream::sqlserver {
namespace {

constexpr std::array kOneByteAChar = {437,  850,  874,  1250, 1251, 1252,
                                      1253, 1254, 1255, 1256, 1257, 1258};
constexpr uint16_t kReplacement = 0xfffd;

class Converter {
 public:
  explicit Converter(int64_t number)
      : handle_(iconv_open("UTF-16LE", ("CP" + std::to_string(number)).c_str())) {}
  ~Converter() {
    if (is_open()) {
      iconv_close(handle_);
    }
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  bool is_open() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  // The character of `byte` by itself.
  uint16_t convert(uint8_t byte) {
    char in = static_cast<char>(byte);
    char* from = &in;
    size_t in_left = 1;
    uint16_t units[2] = {};
    char* to = reinterpret_cast<char*>(units);
    size_t out_left = sizeof units;
    iconv(handle_, nullptr, nullptr, nullptr, nullptr);
    // Pages with combining characters hold a letter back until they are asked for it.
    const bool is_defined =
        iconv(handle_, &from, &in_left, &to, &out_left) != static_cast<size_t>(-1) &&
        iconv(handle_, nullptr, nullptr, &to, &out_left) != static_cast<size_t>(-1) &&
        out_left == sizeof units - sizeof units[0];
    const bool is_control = byte >= 0x80 && byte < 0xa0;
    return is_defined ? units[0] : is_control ? byte : kReplacement;
  }

 private:
  iconv_t handle_;
};

bool is_ascii(const uint8_t* bytes, size_t size) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  uint64_t all = 0;
  uint64_t eight = 0;
  if (size < sizeof eight) {
    for (size_t i = 0; i < size; ++i) {
      all |= bytes[i];
    }
    return (all & 0x80) == 0;
  }
  for (size_t at = 0; at + sizeof eight <= size; at += sizeof eight) {
    std::memcpy(&eight, bytes + at, sizeof eight);
    all |= eight;
  }
  std::memcpy(&eight, bytes + size - sizeof eight, sizeof eight);
  return ((all | eight) & kHighBits) == 0;
}

}  // namespace

bool CodePage::fill(int64_t number, CodePage* page) {
  Converter converter(number);
  if (!converter.is_open()) {
    return false;
  }
  for (size_t byte = 0; byte < page->characters_.size(); ++byte) {
    Character& character = page->characters_[byte];
    const uint16_t unit = converter.convert(static_cast<uint8_t>(byte));
    const char* end = utf16_to_utf8(&unit, 1, character.utf8.data());
    character.size = static_cast<uint8_t>(end - character.utf8.data());
    if (byte < 0x80 && unit != byte) {
      return false;  // to_utf8() counts on it
    }
  }
  return true;
}

const CodePage* CodePage::find(int64_t number) {
  if (std::find(kOneByteAChar.begin(), kOneByteAChar.end(), number) == kOneByteAChar.end()) {
    return nullptr;
  }
  static std::mutex mutex;
  static auto& pages = *new std::map<int64_t, std::unique_ptr<const CodePage>>;
  const std::lock_guard lock(mutex);
  const auto [at, is_new] = pages.try_emplace(number);
  if (is_new) {
    auto page = std::make_unique<CodePage>();
    at->second = fill(number, page.get()) ? std::move(page) : nullptr;
  }
  return at->second.get();
}

char* CodePage::to_utf8(const uint8_t* bytes, size_t size, char* out) const {
  if (is_ascii(bytes, size)) {
    std::memcpy(out, bytes, size);
    return out + size;
  }
  for (size_t i = 0; i < size; ++i) {
    const Character& character = characters_[bytes[i]];
    std::memcpy(out, character.utf8.data(), character.utf8.size());
    out += character.size;
  }
  return out;
}

}  // namespace dstream::sqlserver
