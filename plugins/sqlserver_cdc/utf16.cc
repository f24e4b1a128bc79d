#include "plugins/sqlserver_cdc/utf16.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace dstream::sqlserver {
namespace {

uint32_t unit_at(const uint8_t* text, size_t index) {
  uint16_t unit = 0;
  std::memcpy(&unit, text + index * 2, 2);
  return unit;
}

char* put_code_point(uint32_t point, char* out) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (point < 0x80) {
    *out++ = byte(point);
  } else if (point < 0x800) {
    *out++ = byte(0xc0 | point >> 6);
    *out++ = byte(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    *out++ = byte(0xe0 | point >> 12);
    *out++ = byte(0x80 | (point >> 6 & 0x3f));
    *out++ = byte(0x80 | (point & 0x3f));
  } else {
    *out++ = byte(0xf0 | point >> 18);
    *out++ = byte(0x80 | (point >> 12 & 0x3f));
    *out++ = byte(0x80 | (point >> 6 & 0x3f));
    *out++ = byte(0x80 | (point & 0x3f));
  }
  return out;
}

}  // namespace

size_t utf8_size_bound(const void* source, size_t units) {
  const auto* text = static_cast<const uint8_t*>(source);
  size_t size = utf8_size_max(units);
  size_t at = 0;
#if defined(__SSE2__)
  // Each comparison that holds is -1 in its lane: once below 0x800, twice if ASCII. Lanes hold what
  // a stretch adds up to.
  constexpr size_t kStretch = 8 * 4096;
  const __m128i not_ascii = _mm_set1_epi16(static_cast<int16_t>(0xff80));
  const __m128i three_bytes = _mm_set1_epi16(static_cast<int16_t>(0xf800));
  while (at + 8 <= units) {
    const size_t stop = at + std::min(kStretch, (units - at) / 8 * 8);
    __m128i saved = _mm_setzero_si128();
    for (; at < stop; at += 8) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at * 2));
      const __m128i zero = _mm_setzero_si128();
      saved = _mm_add_epi16(saved, _mm_cmpeq_epi16(_mm_and_si128(block, not_ascii), zero));
      saved = _mm_add_epi16(saved, _mm_cmpeq_epi16(_mm_and_si128(block, three_bytes), zero));
    }
    alignas(16) std::array<int16_t, 8> lanes{};
    _mm_store_si128(reinterpret_cast<__m128i*>(lanes.data()), saved);
    for (const int16_t lane : lanes) {
      size -= static_cast<size_t>(-lane);
    }
  }
#endif
  for (; at < units; ++at) {
    const uint32_t unit = unit_at(text, at);
    size -= unit < 0x80 ? 2 : unit < 0x800 ? 1 : 0;
  }
  return size;
}

char* utf16_to_utf8(const void* source, size_t units, char* out) {
  const auto* text = static_cast<const uint8_t*>(source);
  size_t at = 0;
  while (at < units) {
#if defined(__SSE2__)
    // A unit is ASCII if nothing above its low seven bits is set.
    const __m128i high_bits = _mm_set1_epi16(static_cast<int16_t>(0xff80));
    const auto load = [text](size_t unit) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + unit * 2));
    };
    while (at + 32 <= units) {
      const __m128i a = load(at);
      const __m128i b = load(at + 8);
      const __m128i c = load(at + 16);
      const __m128i d = load(at + 24);
      const __m128i any = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
      const __m128i zero = _mm_cmpeq_epi16(_mm_and_si128(any, high_bits), _mm_setzero_si128());
      if (_mm_movemask_epi8(zero) != 0xffff) {
        break;
      }
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(a, b));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16), _mm_packus_epi16(c, d));
      at += 32;
      out += 32;
    }
    while (at + 8 <= units) {
      const __m128i block = load(at);
      const __m128i zero = _mm_cmpeq_epi16(_mm_and_si128(block, high_bits), _mm_setzero_si128());
      if (_mm_movemask_epi8(zero) != 0xffff) {
        break;
      }
      _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(block, block));
      at += 8;
      out += 8;
    }
    if (at == units) {
      break;
    }
#endif
    // Up to eight units one by one, then the wide path gets its chance again.
    const size_t stop = units - at < 8 ? units : at + 8;
    while (at < stop) {
      uint32_t point = unit_at(text, at++);
      if (point >= 0xd800 && point < 0xe000) {
        const uint32_t next = at < units ? unit_at(text, at) : 0;
        if (point < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
          point = 0x10000 + ((point - 0xd800) << 10) + (next - 0xdc00);
          ++at;
        } else {
          point = 0xfffd;
        }
      }
      out = put_code_point(point, out);
    }
  }
  return out;
}

}  // namespace dstream::sqlserver
