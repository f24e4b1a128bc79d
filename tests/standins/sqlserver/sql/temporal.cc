#include "tests/standins/sqlserver/sql/temporal.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// Cuts a literal into numbers, words and signs.
class TimeParser {
 public:
  TimeParser(std::string_view text, int style) : text_(text), order_(order_of(style)) {
    while (!text_.empty() && text_.front() == ' ') {
      text_.remove_prefix(1);
    }
    while (!text_.empty() && text_.back() == ' ') {
      text_.remove_suffix(1);
    }
  }

  std::optional<ParsedTime> run() {
    if (text_.empty()) {  // SQL Server takes an empty string for 1900-01-01.
      result_.has_date = true;
      return result_;
    }
    if (!looks_like_time() && !date()) {
      return std::nullopt;
    }
    skip_blanks();
    if (at_ < text_.size() && !time()) {
      return std::nullopt;
    }
    const CivilTime& t = result_.time;
    if (!is_valid_date(t.year, t.month, t.day) || t.hour > 23 || t.minute > 59 || t.second > 59) {
      return std::nullopt;
    }
    return result_;
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  static bool digit(char c) { return c >= '0' && c <= '9'; }
  void skip_blanks() {
    while (peek() == ' ' || peek() == ',') {
      ++at_;
    }
  }

  bool looks_like_time() const {
    size_t i = 0;
    while (i < text_.size() && digit(text_[i])) {
      ++i;
    }
    const char c = i < text_.size() ? text_[i] : '\0';
    return i > 0 && i <= 2 && (c == ':' || c == 'A' || c == 'a' || c == 'P' || c == 'p');
  }

  // Reads digits; *count tells how many.
  int number(int* count) {
    int value = 0;
    *count = 0;
    while (digit(peek()) && *count < 9) {
      value = value * 10 + (peek() - '0');
      ++at_;
      ++*count;
    }
    return value;
  }

  bool month_name(int* month) {
    size_t end = at_;
    while (end < text_.size() && ((text_[end] | 32) >= 'a' && (text_[end] | 32) <= 'z')) {
      ++end;
    }
    const std::string word = upper_ascii(text_.substr(at_, end - at_));
    for (size_t i = 0; i < kMonths.size(); ++i) {
      if (word.size() >= 3 && word.substr(0, 3) == kMonths[i]) {
        *month = static_cast<int>(i) + 1;
        at_ = end;
        return true;
      }
    }
    return false;
  }

  static int full_year(int year, int digits) {
    return digits > 2 ? year : year < 50 ? 2000 + year : 1900 + year;
  }

  bool date() {
    result_.has_date = true;
    CivilTime& t = result_.time;
    int count = 0;
    if (!digit(peek())) {
      return named_date(&t);
    }
    const size_t start = at_;
    const int first = number(&count);
    if (count == 8) {
      t.year = first / 10000, t.month = first / 100 % 100, t.day = first % 100;
      return true;
    }
    if (count == 6) {
      t.year = full_year(first / 10000, 2), t.month = first / 100 % 100, t.day = first % 100;
      return true;
    }
    if (count == 4 && at_ == text_.size()) {
      t.year = first;
      return true;
    }
    const char separator = peek();
    if (separator == ' ') {
      at_ = start;
      return named_date(&t);
    }
    if (separator != '-' && separator != '/' && separator != '.') {
      return false;
    }
    ++at_;
    int second_count = 0, third_count = 0;
    const int second = number(&second_count);
    if (peek() != separator) {
      return false;
    }
    ++at_;
    const int third = number(&third_count);
    if (second_count == 0 || third_count == 0) {
      return false;
    }
    if (count == 4 || order_ == Order::kYearFirst) {
      t.year = full_year(first, count), t.month = second, t.day = third;
      return true;
    }
    t.month = order_ == Order::kDayFirst ? second : first;
    t.day = order_ == Order::kDayFirst ? first : second;
    t.year = full_year(third, third_count);
    return true;
  }

  // "Nov 23 2026", "23 Nov 2026" and "2026 Nov 23".
  bool named_date(CivilTime* t) {
    int count = 0;
    if (digit(peek())) {
      t->day = number(&count);
      skip_blanks();
      if (!month_name(&t->month)) {
        return false;
      }
      if (count == 4) {
        t->year = t->day;
        skip_blanks();
        t->day = number(&count);
        return count == 1 || count == 2;
      }
    } else {
      if (!month_name(&t->month)) {
        return false;
      }
      skip_blanks();
      t->day = number(&count);
      if (count == 0) {
        return false;
      }
    }
    skip_blanks();
    const int year = number(&count);
    t->year = full_year(year, count);
    return count == 2 || count == 4;
  }

  bool time() {
    result_.has_time = true;
    if (peek() == 'T' || peek() == 't') {
      ++at_;
    }
    CivilTime& t = result_.time;
    int count = 0;
    t.hour = number(&count);
    if (count == 0) {
      return false;
    }
    if (peek() == ':') {
      ++at_;
      t.minute = number(&count);
      if (count == 0) {
        return false;
      }
      if (peek() == ':') {
        ++at_;
        t.second = number(&count);
        if (count == 0 || !fraction(&t)) {
          return false;
        }
      }
    } else if ((peek() | 32) != 'a' && (peek() | 32) != 'p' && peek() != ' ') {
      return false;
    }
    skip_blanks();
    return meridian(&t) && offset() && at_ == text_.size();
  }

  bool fraction(CivilTime* t) {
    if (peek() != '.' && peek() != ':') {
      return true;
    }
    const bool colon = peek() == ':';
    ++at_;
    int64_t value = 0;
    int digits = 0;
    while (digit(peek())) {
      if (digits < 7) {
        value = value * 10 + (peek() - '0');
      } else if (digits == 7 && peek() >= '5') {
        ++value;
      }
      ++digits;
      ++at_;
    }
    if (digits == 0) {
      return false;
    }
    if (colon) {  // hh:mm:ss:mmm counts milliseconds.
      t->fraction = value * kTicksPerMillisecond;
      return digits <= 3;
    }
    for (; digits < 7; ++digits) {
      value *= 10;
    }
    t->fraction = value;
    return true;
  }

  bool meridian(CivilTime* t) {
    const char c = static_cast<char>(peek() | 32);
    if ((c != 'a' && c != 'p') || (peek(1) | 32) != 'm') {
      return true;
    }
    at_ += 2;
    if (t->hour < 1 || t->hour > 12) {
      return false;
    }
    t->hour = t->hour % 12 + (c == 'p' ? 12 : 0);
    skip_blanks();
    return true;
  }

  bool offset() {
    if (peek() == 'Z' || peek() == 'z') {
      ++at_;
      result_.offset_min = 0;
      return true;
    }
    if (peek() != '+' && peek() != '-') {
      return true;
    }
    const int sign = peek() == '-' ? -1 : 1;
    ++at_;
    int count = 0;
    const int hours = number(&count);
    if (count == 0 || count > 2 || peek() != ':') {
      return false;
    }
    ++at_;
    const int minutes = number(&count);
    if (count == 0 || count > 2 || minutes > 59 || hours * 60 + minutes > 840) {
      return false;
    }
    result_.offset_min = static_cast<int16_t>(sign * (hours * 60 + minutes));
    return true;
  }

  enum class Order : uint8_t { kMonthFirst, kDayFirst, kYearFirst };
  static Order order_of(int style) {
    switch (style < 0 ? style : style % 100) {
      case 3:
      case 4:
      case 5:
        return Order::kDayFirst;
      case 2:
      case 11:
      case 12:
        return Order::kYearFirst;
      default:
        return Order::kMonthFirst;
    }
  }

  std::string_view text_;
  const Order order_;
  size_t at_ = 0;
  ParsedTime result_;
};

std::string print(const char* format, auto... values) {
  char text[96];
  std::snprintf(text, sizeof(text), format, values...);
  return text;
}

// ".123" with `digits` digits, rounded as SQL Server rounds the milliseconds of datetime.
std::string fraction_text(int64_t fraction, int digits) {
  if (digits == 0) {
    return "";
  }
  int64_t divisor = 1;
  for (int i = digits; i < 7; ++i) {
    divisor *= 10;
  }
  const int64_t value = divisor > 1 ? (fraction + divisor / 2) / divisor : fraction;
  return print(".%0*lld", digits, static_cast<long long>(value));
}

int fraction_digits(const SqlType& type) {
  return type.id == TypeId::kDateTime ? 3 : type.id == TypeId::kSmallDateTime ? 0 : type.scale;
}

std::string offset_text(int offset) {
  const int size = std::abs(offset);
  return print("%c%02d:%02d", offset < 0 ? '-' : '+', size / 60, size % 60);
}

std::string clock_text(const CivilTime& t) {
  return print("%02d:%02d:%02d", t.hour, t.minute, t.second);
}

std::string date_text(const CivilTime& t) {
  return print("%04d-%02d-%02d", t.year, t.month, t.day);
}

std::string month_name(const CivilTime& t) {
  std::string month(kMonths[static_cast<size_t>(t.month - 1)]);
  month[1] = static_cast<char>(month[1] | 32);
  month[2] = static_cast<char>(month[2] | 32);
  return month;
}

// ":997" for the old types, ".9970000" for those that know more digits.
std::string split_fraction(const SqlType& type, const CivilTime& t) {
  if (type.id == TypeId::kDateTime || type.id == TypeId::kSmallDateTime) {
    return ":" + fraction_text(t.fraction, 3).substr(1);
  }
  return fraction_text(t.fraction, fraction_digits(type));
}

// With `precise`, seconds and their fraction too.
std::string long_text(const CivilTime& t, bool with_date, bool with_time,
                      const SqlType* precise = nullptr) {
  std::string text;
  if (with_date) {
    text = month_name(t) + print(" %2d %04d", t.day, t.year);
  }
  if (with_time) {
    text += print("%s%2d:%02d", with_date ? " " : "", (t.hour + 11) % 12 + 1, t.minute);
    if (precise != nullptr) {
      text += print(":%02d", t.second) + split_fraction(*precise, t);
    }
    text += t.hour < 12 ? "AM" : "PM";
  }
  return text;
}

// The styles that show a date alone: 1 to 12 with a year of two digits, from 101 on with four.
std::optional<std::string> numeric_date(const CivilTime& t, int style) {
  const int year = style > 100 ? t.year : t.year % 100;
  const int digits = style > 100 ? 4 : 2;
  switch (style > 100 ? style - 100 : style) {
    case 1:
      return print("%02d/%02d/%0*d", t.month, t.day, digits, year);
    case 2:
      return print("%0*d.%02d.%02d", digits, year, t.month, t.day);
    case 3:
      return print("%02d/%02d/%0*d", t.day, t.month, digits, year);
    case 4:
      return print("%02d.%02d.%0*d", t.day, t.month, digits, year);
    case 5:
      return print("%02d-%02d-%0*d", t.day, t.month, digits, year);
    case 6:
      return print("%02d %s %0*d", t.day, month_name(t).c_str(), digits, year);
    case 7:
      return print("%s %02d, %0*d", month_name(t).c_str(), t.day, digits, year);
    case 10:
      return print("%02d-%02d-%0*d", t.month, t.day, digits, year);
    case 11:
      return print("%0*d/%02d/%02d", digits, year, t.month, t.day);
    case 12:
      return print("%0*d%02d%02d", digits, year, t.month, t.day);
    default:
      return std::nullopt;
  }
}

std::string iso_text(const SqlType& type, const CivilTime& t, char separator, bool fraction) {
  const Family family = family_of(type.id);
  std::string text;
  if (family != Family::kTime) {
    text = date_text(t);
  }
  if (family != Family::kDate) {
    if (!text.empty()) {
      text.push_back(separator);
    }
    text += clock_text(t) + (fraction ? fraction_text(t.fraction, fraction_digits(type)) : "");
  }
  return text;
}

}  // namespace

int days_in_month(int year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[static_cast<size_t>(month - 1)];
}

bool is_valid_date(int year, int month, int day) {
  return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
         day <= days_in_month(year, month);
}

int64_t days_from_civil(int year, int month, int day) {
  // Years begin in March here, so that the leap day comes last.
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = y / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 306;  // 0000-03-01 is 306 days before 0001-01-01.
}

CivilTime civil_from_ticks(int64_t ticks) {
  CivilTime time;
  int64_t days = ticks / kTicksPerDay;
  int64_t rest = ticks % kTicksPerDay;
  if (rest < 0) {
    rest += kTicksPerDay;
    --days;
  }
  const int64_t z = days + 306;
  const int64_t era = z / 146097;
  const int64_t day_of_era = z - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  time.day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  time.month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  time.year = static_cast<int>(year_of_era + era * 400 + (time.month <= 2 ? 1 : 0));
  time.hour = static_cast<int>(rest / kTicksPerHour);
  time.minute = static_cast<int>(rest / kTicksPerMinute % 60);
  time.second = static_cast<int>(rest / kTicksPerSecond % 60);
  time.fraction = rest % kTicksPerSecond;
  return time;
}

int64_t ticks_from_civil(const CivilTime& t) {
  return days_from_civil(t.year, t.month, t.day) * kTicksPerDay + t.hour * kTicksPerHour +
         t.minute * kTicksPerMinute + t.second * kTicksPerSecond + t.fraction;
}

std::optional<ParsedTime> parse_time(std::string_view text, int style) {
  return TimeParser(text, style).run();
}

int64_t round_ticks(const SqlType& type, int64_t ticks) {
  if (type.id == TypeId::kDateTime) {
    const int64_t day = ticks / kTicksPerDay * kTicksPerDay;
    const int64_t units = ((ticks - day) * 3 + 50'000) / 100'000;  // of 1/300 s
    return day + (units * 100'000 + 1) / 3;
  }
  if (type.id == TypeId::kSmallDateTime) {
    return (ticks + kTicksPerMinute / 2) / kTicksPerMinute * kTicksPerMinute;
  }
  int64_t step = 1;
  for (int i = type.scale; i < 7; ++i) {
    step *= 10;
  }
  return (ticks + step / 2) / step * step;
}

std::optional<std::string> format_time(const SqlType& type, const SqlValue& value, int style) {
  const Family family = family_of(type.id);
  const int64_t local = value.number + value.offset_min * kTicksPerMinute;
  const CivilTime t = civil_from_ticks(family == Family::kDate     ? value.number * kTicksPerDay
                                       : family == Family::kOffset ? local
                                                                   : value.number);
  const bool old_type = type.id == TypeId::kDateTime || type.id == TypeId::kSmallDateTime;
  if (style < 0) {  // The default differs between the old and the new types.
    style = old_type ? 0 : 121;
  }
  const std::string zone = family == Family::kOffset ? " " + offset_text(value.offset_min) : "";
  if (const auto numbers = numeric_date(t, style)) {
    return numbers;
  }
  const bool with_date = family != Family::kTime, with_time = family != Family::kDate;
  switch (style) {
    case 0:
    case 100:
      return long_text(t, with_date, with_time) + zone;
    case 9:
    case 109:
      return long_text(t, with_date, with_time, &type) + zone;
    case 8:
    case 24:
    case 108:
      return clock_text(t);
    case 13:
    case 113:
      return print("%02d %s %04d ", t.day, month_name(t).c_str(), t.year) + clock_text(t) +
             split_fraction(type, t);
    case 14:
    case 114:
      return clock_text(t) + split_fraction(type, t);
    case 20:
    case 120:
      return iso_text(type, t, ' ', false) + zone;
    case 21:
    case 25:
    case 121:
      return iso_text(type, t, ' ', true) + zone;
    case 22:
      return print("%02d/%02d/%02d %2d:%02d:%02d %s", t.month, t.day, t.year % 100,
                   (t.hour + 11) % 12 + 1, t.minute, t.second, t.hour < 12 ? "AM" : "PM");
    case 23:
      return date_text(t);
    case 126:
      return iso_text(type, t, 'T', t.fraction != 0) +
             (family == Family::kOffset ? offset_text(value.offset_min) : "");
    case 127: {
      const CivilTime utc = family == Family::kOffset ? civil_from_ticks(value.number) : t;
      return iso_text(type, utc, 'T', t.fraction != 0) + (family == Family::kOffset ? "Z" : "");
    }
    default:
      return std::nullopt;
  }
}

}  // namespace dstream::standin::sql
