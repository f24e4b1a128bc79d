#include "core/messages/json_text.h"

#include <array>
#include <charconv>
#include <cmath>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace dstream::core {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

// The length of the UTF-8 sequence at `in`, or 0 if it is broken; `*broken` is then the number of
// bytes that one replacement character stands for.
size_t utf8_sequence(const uint8_t* in, const uint8_t* end, size_t* broken) {
  const uint8_t lead = in[0];
  size_t length = 0;
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    low = lead == 0xE0 ? 0xA0 : 0x80;   // no overlong forms
    high = lead == 0xED ? 0x9F : 0xBF;  // no surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    low = lead == 0xF0 ? 0x90 : 0x80;
    high = lead == 0xF4 ? 0x8F : 0xBF;  // nothing above U+10FFFF
  } else {
    *broken = 1;
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if (in + i == end || in[i] < low || in[i] > high) {
      *broken = i;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

// What stands for a byte below 0x20, a quote or a backslash.
struct Escape {
  char text[6];
  uint8_t size;
};

constexpr std::array<Escape, 128> make_escapes() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<Escape, 128> table{};
  for (size_t i = 0; i < 128; ++i) {
    if (i < 0x20) {
      table[i] = {{'\\', 'u', '0', '0', kDigits[i >> 4], kDigits[i & 15]}, 6};
    } else {
      table[i] = {{static_cast<char>(i)}, 1};
    }
  }
  table['"'] = {{'\\', '"'}, 2};
  table['\\'] = {{'\\', '\\'}, 2};
  table['\b'] = {{'\\', 'b'}, 2};
  table['\f'] = {{'\\', 'f'}, 2};
  table['\n'] = {{'\\', 'n'}, 2};
  table['\r'] = {{'\\', 'r'}, 2};
  table['\t'] = {{'\\', 't'}, 2};
  return table;
}
constexpr std::array<Escape, 128> kEscapes = make_escapes();

bool is_plain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

// True if one of 8 bytes is not plain. (A borrow may name a byte above one that is not; never
// alone.)
bool any_special(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHigh = 0x8080808080808080u;
  const uint64_t quote = bytes ^ (kOnes * '"');
  const uint64_t backslash = bytes ^ (kOnes * '\\');
  return ((bytes | ((bytes - kOnes * 0x20) & ~bytes) | ((quote - kOnes) & ~quote) |
           ((backslash - kOnes) & ~backslash)) &
          kHigh) != 0;
}

// Copies the plain bytes at `in` and returns how many there were. Plain is what stands for itself:
// ASCII without control characters, quote and backslash. Whole blocks go through a register; the
// rest is the last block of the text once more, overlapping what is already done.
template <bool kWrite>
size_t copy_plain(const uint8_t* const start, const uint8_t* const end, char* out) {
  const auto size = static_cast<size_t>(end - start);
  size_t done = 0;
#if defined(__SSE2__)
  // The index of the first special byte of 16, or 16.
  const auto block = [&](size_t at) -> size_t {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(start + at));
    if constexpr (kWrite) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at), bytes);
    }
    // Signed: bytes from 0x80 up are negative, so one comparison finds them and the controls.
    const __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
                                         _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special)) | 0x10000u;
    return static_cast<size_t>(__builtin_ctz(mask));
  };
  if (size >= 16) {
    for (; size - done >= 16; done += 16) {
      if (const size_t plain = block(done); plain < 16) {
        return done + plain;
      }
    }
    return done == size ? size : size - 16 + block(size - 16);
  }
#endif
  for (; size - done >= 8; done += 8) {
    uint64_t bytes;
    std::memcpy(&bytes, start + done, 8);
    if (any_special(bytes)) {
      break;
    }
    if constexpr (kWrite) {
      std::memcpy(out + done, &bytes, 8);
    }
  }
  if (done >= 8 && size - done < 8) {
    uint64_t bytes;
    std::memcpy(&bytes, end - 8, 8);
    if (!any_special(bytes)) {
      if constexpr (kWrite) {
        std::memcpy(out + size - 8, &bytes, 8);
      }
      return size;
    }
  }
  for (; done < size && is_plain(start[done]); ++done) {
    if constexpr (kWrite) {
      out[done] = static_cast<char>(start[done]);
    }
  }
  return done;
}

// Writes or only measures.
template <bool kWrite>
size_t escape(std::string_view text, char* out, bool* replaced) {
  const auto* in = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = in + text.size();
  size_t written = 0;
  auto put = [&](const void* bytes, size_t size) {
    if constexpr (kWrite) {
      std::memcpy(out + written, bytes, size);
    }
    written += size;
  };
  while (true) {
    const size_t plain = copy_plain<kWrite>(in, end, kWrite ? out + written : out);
    in += plain;
    written += plain;
    if (in == end) {
      return written;
    }
    if (*in < 0x80) {
      const Escape& escaped = kEscapes[*in++];
      put(escaped.text, escaped.size);
      continue;
    }
    do {
      size_t broken = 0;
      const size_t length = utf8_sequence(in, end, &broken);
      if (length != 0) {
        put(in, length);
        in += length;
      } else {
        put(kReplacement, 3);
        in += broken;
        *replaced = true;
      }
    } while (in != end && *in >= 0x80);
  }
}

bool is_ascii(const uint8_t* eight) {
  uint64_t bytes;
  std::memcpy(&bytes, eight, 8);
  return (bytes & 0x8080808080808080u) == 0;
}

// Calls take(bytes, size) for each piece of the repaired text.
template <class Take>
void repair(std::string_view text, Take&& take) {
  const auto* in = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = in + text.size();
  while (in != end) {
    size_t broken = 0;
    const size_t length = *in < 0x80 ? 1 : utf8_sequence(in, end, &broken);
    if (length != 0) {
      take(reinterpret_cast<const char*>(in), length);
    } else {
      take(kReplacement, 3);
    }
    in += length != 0 ? length : broken;
  }
}

template <class Float>
char* write_floating(char* out, Float value) {
  if (!std::isfinite(value)) {
    if (std::isnan(value)) {
      return write_raw(out, "\"NaN\"");
    }
    return write_raw(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  }
  char* const end = std::to_chars(out, out + kScalarBytesMax, value).ptr;
  const std::string_view text(out, static_cast<size_t>(end - out));
  if (text.find_first_of(".e") != std::string_view::npos) {
    return end;
  }
  return write_raw(end, ".0");
}

}  // namespace

char* write_escaped(char* out, std::string_view text, bool* replaced) {
  return out + escape<true>(text, out, replaced);
}

size_t escaped_size(std::string_view text) {
  bool replaced = false;
  return escape<false>(text, nullptr, &replaced);
}

size_t valid_utf8_size(std::string_view text) {
  const auto* const begin = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = begin + text.size();
  const uint8_t* in = begin;
  while (in != end) {
    if (end - in >= 8 && is_ascii(in)) {
      in += 8;
      continue;
    }
    size_t broken = 0;
    const size_t length = *in < 0x80 ? 1 : utf8_sequence(in, end, &broken);
    if (length == 0) {
      break;
    }
    in += length;
  }
  return static_cast<size_t>(in - begin);
}

char* write_repaired_utf8(char* out, std::string_view text) {
  repair(text, [&](const char* bytes, size_t size) {
    std::memcpy(out, bytes, size);
    out += size;
  });
  return out;
}

size_t repaired_utf8_size(std::string_view text) {
  size_t total = 0;
  repair(text, [&](const char*, size_t size) { total += size; });
  return total;
}

std::string json_string(std::string_view text) {
  std::string out(escaped_size(text) + 2 + kSlackBytes, '\0');
  bool replaced = false;
  const char* end = write_string(out.data(), text, &replaced);
  out.resize(static_cast<size_t>(end - out.data()));
  return out;
}

char* write_double(char* out, double value) { return write_floating(out, value); }
char* write_float(char* out, float value) { return write_floating(out, value); }

char* write_base64(char* out, const uint8_t* data, size_t size) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t i = 0;
  for (; i + 3 <= size; i += 3) {
    const uint32_t group = static_cast<uint32_t>(data[i]) << 16 |
                           static_cast<uint32_t>(data[i + 1]) << 8 | data[i + 2];
    *out++ = kAlphabet[group >> 18];
    *out++ = kAlphabet[group >> 12 & 63];
    *out++ = kAlphabet[group >> 6 & 63];
    *out++ = kAlphabet[group & 63];
  }
  if (i == size) {
    return out;
  }
  const bool two = i + 2 == size;
  const uint32_t group =
      static_cast<uint32_t>(data[i]) << 16 | (two ? static_cast<uint32_t>(data[i + 1]) << 8 : 0u);
  *out++ = kAlphabet[group >> 18];
  *out++ = kAlphabet[group >> 12 & 63];
  *out++ = two ? kAlphabet[group >> 6 & 63] : '=';
  *out++ = '=';
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out(base64_size(bytes.size()) + kSlackBytes, '\0');
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const char* end = write_base64(out.data(), data, bytes.size());
  out.resize(static_cast<size_t>(end - out.data()));
  return out;
}

char* write_uuid(char* out, const uint8_t (&uuid)[16], bool upper_case) {
  const char* digits = upper_case ? "0123456789ABCDEF" : "0123456789abcdef";
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      *out++ = '-';
    }
    *out++ = digits[uuid[i] >> 4];
    *out++ = digits[uuid[i] & 15];
  }
  return out;
}

}  // namespace dstream::core
