// Counters, gauges and histograms that cost one relaxed atomic operation to move.
//
// Names follow Prometheus: base units, `_total` on counters. An instrument lives as long as its
// registry; looking one up takes a lock, so callers keep the pointer.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace dstream::core {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// [any-thread]
class Counter {
 public:
  void add(double amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// [any-thread]
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Buckets are powers of two from 1 ms to about 17 minutes, in seconds. [any-thread]
class Histogram {
 public:
  static constexpr int kBuckets = 21;
  void observe(double seconds);
  // Upper bound of bucket `index` in seconds.
  static double bound(int index);
  uint64_t bucket(int index) const { return buckets_[index].load(std::memory_order_relaxed); }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> buckets_[kBuckets + 1]{};
  std::atomic<uint64_t> count_{0};
  std::atomic<double> sum_{0};
};

// Thread rule: [any-thread].
class MetricsRegistry {
 public:
  // The same name and labels give the same instrument. REQUIRES: one kind per name.
  Counter& counter(const std::string& name, const std::string& help,
                   const MetricLabels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help,
                       const MetricLabels& labels = {});

  // The same for a name that comes from a plugin: nullptr if it belongs to another kind.
  Counter* try_counter(const std::string& name, const std::string& help,
                       const MetricLabels& labels);
  Gauge* try_gauge(const std::string& name, const std::string& help, const MetricLabels& labels);
  Histogram* try_histogram(const std::string& name, const std::string& help,
                           const MetricLabels& labels);

  // Prometheus text format 0.0.4.
  std::string prometheus_text() const;

 private:
  struct Family;
  template <class T>
  T* find_or_add(const std::string& name, const std::string& help, const MetricLabels& labels,
                 int kind, std::deque<T>& store);

  struct Series {
    MetricLabels labels;
    const void* instrument = nullptr;
  };
  struct Family {
    int kind = 0;
    std::string help;
    std::vector<Series> series;
  };
  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, Family> families_;
  std::deque<Counter> counters_;
  std::deque<Gauge> gauges_;
  std::deque<Histogram> histograms_;
};

}  // namespace dstream::core
