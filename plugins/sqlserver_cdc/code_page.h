// Text in SQL Server's code pages of one byte a character, as char and varchar columns are sent, to
// UTF-8 as records carry it.
//
// Drivers convert such text by iconv, value by value. What is sent is nearly always ASCII, which is
// the same in each of these pages, and the rest is a look into a table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dstream::sqlserver {

class CodePage {
 public:
  // The page that COLLATIONPROPERTY(collation, 'CodePage') calls `number`: 437, 850, 874, 1250 to
  // 1258. nullptr for any other, such as UTF-8 (65001) and the pages of several bytes a character,
  // and where the system's iconv does not know the page: the driver converts then. Pages are made
  // once and live as long as the process. [any-thread]
  static const CodePage* find(int64_t number);

  // Bytes of UTF-8 that `size` bytes can become at most, and what may be overwritten.
  static constexpr size_t utf8_size_max(size_t size) { return size * 3 + 1; }
  // Writes `size` bytes of text as UTF-8 and returns the end of the output, which has room for
  // utf8_size_max(size). Bytes 0x80 to 0x9F that the page leaves undefined become U+0080 to U+009F,
  // as SQL Server converts them; others U+FFFD. [any-thread]
  char* to_utf8(const uint8_t* bytes, size_t size, char* out) const;

 private:
  struct Character {
    uint8_t size = 0;
    std::array<char, 3> utf8{};  // of a character of the basic plane
  };
  std::array<Character, 256> characters_{};

  static bool fill(int64_t number, CodePage* page);
};

}  // namespace dstream::sqlserver
