#include "core/plugins/host_services.h"

#include <gtest/gtest.h>

#include <string>

#include "core/plugins/scripted_plugin_test.h"

namespace dstream::core {
namespace {

dstream_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class HostServicesTest : public testing::Test {
 protected:
  HostServicesTest() {
    options_.pipeline = "people";
    options_.config_json = R"({"interval_ms": 250})";
    options_.log = &log_;
    options_.metrics = &metrics_;
    auto made = HostServices::create(options_, "event-hubs");
    EXPECT_TRUE(made.has_value());
    services_ = std::move(*made);
    host_ = services_->host();
  }
  template <class T>
  const T* extension(const char* id) {
    return static_cast<const T*>(host_->get_extension(host_, id));
  }
  MemoryLog log_;
  MetricsRegistry metrics_;
  InstanceOptions options_;
  std::unique_ptr<HostServices> services_;
  const dstream_host* host_ = nullptr;
};

TEST_F(HostServicesTest, IntroducesItself) {
  EXPECT_EQ(host_->struct_size, sizeof(dstream_host));
  EXPECT_EQ(host_->abi_minor, DSTREAM_ABI_MINOR);
  EXPECT_STREQ(host_->name, "dstream");
  EXPECT_STRNE(host_->version, "");
}

TEST_F(HostServicesTest, LogsWithFieldsAndKeepsTheLineWhole) {
  dstream_field fields[] = {{"table", bytes_of("dbo.Persons")},
                            {nullptr, bytes_of("x")},
                            {"broken", {nullptr, 4}},
                            {"raw", bytes_of("a\nb")}};
  host_->log(host_, DSTREAM_LOG_WARN, "Gap\nfound.", fields, 4);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_EQ(log_.lines[0],
            "Gap?found. pipeline=people plugin=event-hubs table=dbo.Persons raw=a?b");
}

TEST_F(HostServicesTest, LogsNothingBelowItsLevel) {
  EXPECT_EQ(host_->log_level(host_), DSTREAM_LOG_INFO);
  host_->log(host_, DSTREAM_LOG_DEBUG, "Unheard.", nullptr, 0);
  EXPECT_TRUE(log_.lines.empty());
  host_->log(host_, 99, nullptr, nullptr, 7);
  EXPECT_EQ(log_.lines.size(), 1u);
}

TEST_F(HostServicesTest, KnowsItsExtensionsByTheirExactIds) {
  EXPECT_NE(extension<void>(DSTREAM_EXT_CONFIG), nullptr);
  EXPECT_NE(extension<void>(DSTREAM_EXT_METRICS), nullptr);
  EXPECT_EQ(extension<void>("dstream.config/2"), nullptr);
  EXPECT_EQ(extension<void>("dstream.config/1 "), nullptr);
  EXPECT_EQ(extension<void>(""), nullptr);
  EXPECT_EQ(extension<void>(nullptr), nullptr);
}

TEST_F(HostServicesTest, LooksUpConfiguration) {
  const auto* config = extension<dstream_config>(DSTREAM_EXT_CONFIG);
  dstream_value value{};
  EXPECT_EQ(config->get(host_, "/interval_ms", &value), DSTREAM_OK);
  EXPECT_EQ(value.as.i64, 250);
  EXPECT_EQ(config->get(host_, "/absent", &value), DSTREAM_CONFIG);
  EXPECT_EQ(config->get(host_, nullptr, &value), DSTREAM_CONFIG);
  EXPECT_EQ(config->get(host_, "/interval_ms", nullptr), DSTREAM_CONFIG);
}

TEST_F(HostServicesTest, RecordsMetricsUnderNamesOfThePlugin) {
  const auto* metrics = extension<dstream_metrics>(DSTREAM_EXT_METRICS);
  uint64_t sent = metrics->define(host_, "sent", 0, "bytes", "Bytes sent.");
  uint64_t depth = metrics->define(host_, "queue_depth", 1, "", "Messages queued.");
  uint64_t waited = metrics->define(host_, "wait", 2, "seconds", "Time waited.");
  ASSERT_NE(sent, 0u);
  metrics->record(host_, sent, 5);
  metrics->record(host_, sent, 6);
  metrics->record(host_, sent, -1);
  metrics->record(host_, depth, 3);
  metrics->record(host_, waited, 0.25);
  metrics->record(host_, 0, 1);
  metrics->record(host_, 999'999, 1);
  MetricLabels labels{{"pipeline", "people"}, {"plugin", "event-hubs"}};
  EXPECT_EQ(metrics_.counter("dstream_event_hubs_sent_bytes_total", "", labels).value(), 11);
  EXPECT_EQ(metrics_.gauge("dstream_event_hubs_queue_depth", "", labels).value(), 3);
  EXPECT_EQ(metrics_.histogram("dstream_event_hubs_wait_seconds", "", labels).count(), 1u);
  EXPECT_EQ(metrics->define(host_, "sent", 0, "bytes", "Again."), sent);
}

TEST_F(HostServicesTest, RefusesMetricsItCannotExport) {
  const auto* metrics = extension<dstream_metrics>(DSTREAM_EXT_METRICS);
  EXPECT_EQ(metrics->define(host_, nullptr, 0, "", ""), 0u);
  EXPECT_EQ(metrics->define(host_, "", 0, "", ""), 0u);
  EXPECT_EQ(metrics->define(host_, "has space", 0, "", ""), 0u);
  EXPECT_EQ(metrics->define(host_, "fine", 3, "", ""), 0u);
  metrics_.gauge("dstream_event_hubs_lag_seconds", "Taken.");
  EXPECT_EQ(metrics->define(host_, "lag", 2, "seconds", ""), 0u) << "it is a gauge elsewhere";
  EXPECT_EQ(metrics->define(host_, std::string(300, 'a').c_str(), 0, "", ""), 0u);
  for (uint32_t i = 0; i < HostServices::kMetricsMax; i++) {
    std::string name = "n" + std::to_string(i);
    EXPECT_NE(metrics->define(host_, name.c_str(), 1, nullptr, nullptr), 0u);
  }
  EXPECT_EQ(metrics->define(host_, "one_more", 1, nullptr, nullptr), 0u);
}

TEST(MetricName, HasUnitAndKindOnce) {
  EXPECT_EQ(exported_metric_name("a.b-c", "sent", "bytes", true), "dstream_a_b_c_sent_bytes_total");
  EXPECT_EQ(exported_metric_name("a", "sent_bytes_total", "bytes", true),
            "dstream_a_sent_bytes_total");
  EXPECT_EQ(exported_metric_name("a", "lag_seconds", "seconds", false), "dstream_a_lag_seconds");
}

}  // namespace
}  // namespace dstream::core
