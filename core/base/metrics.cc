#include "core/base/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "core/base/assert.h"

namespace dstream::core {
namespace {

constexpr double kFirstBoundSeconds = 0.001;
enum Kind { kCounterKind = 0, kGaugeKind = 1, kHistogramKind = 2 };
constexpr std::string_view kKindNames[] = {"counter", "gauge", "histogram"};

// Names may come from plugins: what Prometheus does not allow becomes '_'.
std::string legal_name(std::string_view name, bool colons) {
  std::string legal(name);
  for (size_t i = 0; i < legal.size(); ++i) {
    const char c = legal[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9' && i > 0;
    if (!letter && !digit && !(colons && c == ':')) {
      legal[i] = '_';
    }
  }
  return legal.empty() ? "_" : legal;
}

// HELP texts escape backslash and line feed, label values the quote as well.
void append_escaped(std::string_view text, bool quotes, std::string* out) {
  for (char c : text) {
    if (c == '\n') {
      *out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      *out += '\\';
      *out += c;
    } else {
      *out += c;
    }
  }
}

void append_number(double value, std::string* out) {
  if (std::isnan(value)) {
    *out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    *out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> text;
  // Counts stay readable as whole numbers as far as a double holds them exactly.
  constexpr double kExact = 9007199254740992.0;
  if (std::trunc(value) == value && std::fabs(value) <= kExact) {
    auto end = std::to_chars(text.data(), text.data() + text.size(), static_cast<int64_t>(value));
    out->append(text.data(), end.ptr);
    return;
  }
  auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  out->append(text.data(), end.ptr);
}

// name{a="1",le="0.001"} value
void append_sample(const std::string& name, std::string_view suffix, const MetricLabels& labels,
                   std::string_view bound, double value, std::string* out) {
  *out += name;
  *out += suffix;
  if (!labels.empty() || !bound.empty()) {
    char separator = '{';
    for (const auto& [label, text] : labels) {
      *out += separator;
      *out += label;
      *out += "=\"";
      append_escaped(text, true, out);
      *out += '"';
      separator = ',';
    }
    if (!bound.empty()) {
      *out += separator;
      *out += "le=\"";
      *out += bound;
      *out += '"';
    }
    *out += '}';
  }
  *out += ' ';
  append_number(value, out);
  *out += '\n';
}

void append_histogram(const std::string& name, const MetricLabels& labels,
                      const Histogram& histogram, std::string* out) {
  // Counted from the buckets, so that the buckets and the count agree while others observe.
  uint64_t count = 0;
  for (int i = 0; i <= Histogram::kBuckets; ++i) {
    count += histogram.bucket(i);
    std::string bound;
    append_number(i < Histogram::kBuckets ? Histogram::bound(i) : HUGE_VAL, &bound);
    append_sample(name, "_bucket", labels, bound, static_cast<double>(count), out);
  }
  append_sample(name, "_sum", labels, "", histogram.sum(), out);
  append_sample(name, "_count", labels, "", static_cast<double>(count), out);
}

}  // namespace

void Histogram::observe(double seconds) {
  if (std::isnan(seconds)) {
    return;
  }
  int index = 0;
  while (index < kBuckets && seconds > bound(index)) {
    ++index;
  }
  buckets_[index].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(seconds, std::memory_order_relaxed);
}

double Histogram::bound(int index) { return std::ldexp(kFirstBoundSeconds, index); }

template <class T>
T* MetricsRegistry::find_or_add(const std::string& name, const std::string& help,
                                const MetricLabels& labels, int kind, std::deque<T>& store) {
  MetricLabels sorted;
  for (const auto& [label, text] : labels) {
    sorted.emplace_back(legal_name(label, false), text);
  }
  std::sort(sorted.begin(), sorted.end());
  std::lock_guard lock(mutex_);
  Family& family = families_[legal_name(name, true)];
  if (family.series.empty()) {
    family.kind = kind;
    family.help = help;
  }
  if (family.kind != kind) {
    return nullptr;
  }
  for (const Series& series : family.series) {
    if (series.labels == sorted) {
      return static_cast<T*>(const_cast<void*>(series.instrument));
    }
  }
  T& instrument = store.emplace_back();
  family.series.push_back({std::move(sorted), &instrument});
  return &instrument;
}

Counter* MetricsRegistry::try_counter(const std::string& name, const std::string& help,
                                      const MetricLabels& labels) {
  return find_or_add(name, help, labels, kCounterKind, counters_);
}

Gauge* MetricsRegistry::try_gauge(const std::string& name, const std::string& help,
                                  const MetricLabels& labels) {
  return find_or_add(name, help, labels, kGaugeKind, gauges_);
}

Histogram* MetricsRegistry::try_histogram(const std::string& name, const std::string& help,
                                          const MetricLabels& labels) {
  return find_or_add(name, help, labels, kHistogramKind, histograms_);
}

Counter& MetricsRegistry::counter(const std::string& name, const std::string& help,
                                  const MetricLabels& labels) {
  Counter* found = try_counter(name, help, labels);
  DSTREAM_ASSERT(found != nullptr);
  return *found;
}

Gauge& MetricsRegistry::gauge(const std::string& name, const std::string& help,
                              const MetricLabels& labels) {
  Gauge* found = try_gauge(name, help, labels);
  DSTREAM_ASSERT(found != nullptr);
  return *found;
}

Histogram& MetricsRegistry::histogram(const std::string& name, const std::string& help,
                                      const MetricLabels& labels) {
  Histogram* found = try_histogram(name, help, labels);
  DSTREAM_ASSERT(found != nullptr);
  return *found;
}

std::string MetricsRegistry::prometheus_text() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + " ";
    append_escaped(family.help, false, &out);
    out += "\n# TYPE " + name + " ";
    out += kKindNames[family.kind];
    out += "\n";
    for (const Series& series : family.series) {
      if (family.kind == kCounterKind) {
        append_sample(name, "", series.labels, "",
                      static_cast<const Counter*>(series.instrument)->value(), &out);
      } else if (family.kind == kGaugeKind) {
        append_sample(name, "", series.labels, "",
                      static_cast<const Gauge*>(series.instrument)->value(), &out);
      } else {
        append_histogram(name, series.labels, *static_cast<const Histogram*>(series.instrument),
                         &out);
      }
    }
  }
  return out;
}

}  // namespace dstream::core
