#include "core/base/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

namespace dstream::core {
namespace {

TEST(Metrics, TextHasHelpTypeAndSamplesInNameOrder) {
  MetricsRegistry registry;
  registry.gauge("dstream_queue_bytes", "Bytes in the queue.", {{"pipeline", "people"}}).set(1.5);
  registry.counter("dstream_records_total", "Records read.").add(3);
  registry.counter("dstream_records_total", "Records read.", {{"pipeline", "cars"}}).add();
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP dstream_queue_bytes Bytes in the queue.\n"
            "# TYPE dstream_queue_bytes gauge\n"
            "dstream_queue_bytes{pipeline=\"people\"} 1.5\n"
            "# HELP dstream_records_total Records read.\n"
            "# TYPE dstream_records_total counter\n"
            "dstream_records_total 3\n"
            "dstream_records_total{pipeline=\"cars\"} 1\n");
}

TEST(Metrics, LabelsAndHelpAreEscaped) {
  MetricsRegistry registry;
  registry.gauge("g", "back\\slash\nline \"quoted\"", {{"path", "C:\\x\n\"y\""}}).set(-2);
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP g back\\\\slash\\nline \"quoted\"\n"
            "# TYPE g gauge\n"
            "g{path=\"C:\\\\x\\n\\\"y\\\"\"} -2\n");
}

TEST(Metrics, IllegalNamesAreMadeLegal) {
  MetricsRegistry registry;
  registry.counter("9 my-plugin.total", "h", {{"a-b:c", "v"}}).add();
  EXPECT_NE(registry.prometheus_text().find("__my_plugin_total{a_b_c=\"v\"} 1\n"),
            std::string::npos);
}

TEST(Metrics, SameNameAndLabelsGiveTheSameInstrumentInAnyOrder) {
  MetricsRegistry registry;
  Counter& one = registry.counter("c_total", "h", {{"a", "1"}, {"b", "2"}});
  Counter& two = registry.counter("c_total", "h", {{"b", "2"}, {"a", "1"}});
  EXPECT_EQ(&one, &two);
  EXPECT_NE(&one, &registry.counter("c_total", "h", {{"a", "1"}}));
}

TEST(Metrics, NumbersThatAreNoNumbers) {
  MetricsRegistry registry;
  registry.gauge("a", "h").set(std::numeric_limits<double>::quiet_NaN());
  registry.gauge("b", "h").set(std::numeric_limits<double>::infinity());
  registry.gauge("c", "h").set(-std::numeric_limits<double>::infinity());
  registry.gauge("d", "h").set(1e300);
  const std::string text = registry.prometheus_text();
  EXPECT_NE(text.find("a NaN\n"), std::string::npos);
  EXPECT_NE(text.find("b +Inf\n"), std::string::npos);
  EXPECT_NE(text.find("c -Inf\n"), std::string::npos);
  EXPECT_NE(text.find("d 1e+300\n"), std::string::npos);
}

TEST(Metrics, HistogramBucketsAreCumulativeInTheText) {
  MetricsRegistry registry;
  Histogram& histogram = registry.histogram("dstream_write_seconds", "h", {{"p", "x"}});
  histogram.observe(0.0005);
  histogram.observe(0.001);  // a bound belongs to its bucket
  histogram.observe(0.003);
  histogram.observe(1e9);
  histogram.observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(histogram.count(), 4u);
  EXPECT_EQ(histogram.bucket(0), 2u);
  EXPECT_EQ(histogram.bucket(2), 1u);
  EXPECT_EQ(histogram.bucket(Histogram::kBuckets), 1u);
  const std::string text = registry.prometheus_text();
  EXPECT_NE(text.find("dstream_write_seconds_bucket{p=\"x\",le=\"0.001\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("dstream_write_seconds_bucket{p=\"x\",le=\"0.002\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("dstream_write_seconds_bucket{p=\"x\",le=\"0.004\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("dstream_write_seconds_bucket{p=\"x\",le=\"1048.576\"} 3\n"),
            std::string::npos);
  EXPECT_NE(text.find("dstream_write_seconds_bucket{p=\"x\",le=\"+Inf\"} 4\n"), std::string::npos);
  EXPECT_NE(text.find("dstream_write_seconds_count{p=\"x\"} 4\n"), std::string::npos);
}

TEST(Metrics, ManyThreadsMoveOneInstrument) {
  MetricsRegistry registry;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&registry] {
      for (int n = 0; n < 10'000; ++n) {
        registry.counter("c_total", "h").add();
        registry.histogram("h_seconds", "h").observe(0.01);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(registry.counter("c_total", "h").value(), 40'000);
  EXPECT_EQ(registry.histogram("h_seconds", "h").count(), 40'000u);
}

TEST(MetricsDeathTest, OneNameHasOneKind) {
  MetricsRegistry registry;
  registry.counter("x", "h");
  EXPECT_EQ(registry.try_gauge("x", "h", {}), nullptr);
  EXPECT_DEATH(registry.gauge("x", "h"), "assertion failed");
}

TEST(MetricsRegistry, RefusesANameOfAnotherKindFromAPlugin) {
  MetricsRegistry registry;
  Gauge& lag = registry.gauge("lag_seconds", "Lag.");
  EXPECT_EQ(registry.try_histogram("lag_seconds", "Lag.", {}), nullptr);
  EXPECT_EQ(registry.try_gauge("lag_seconds", "Lag.", {}), &lag);
}

}  // namespace
}  // namespace dstream::core
