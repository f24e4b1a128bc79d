#include "core/plugins/host_services.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "core/plugins/text.h"

namespace dstream::core {
namespace {

constexpr uint32_t kLogFieldsMax = 32;
constexpr size_t kLogMessageBytesMax = 8192;
constexpr size_t kNameBytesMax = 128;

std::string text_of(const char* text, size_t bytes_max) {
  return text == nullptr ? std::string()
                         : printable(std::string_view(text, strnlen(text, bytes_max)), bytes_max);
}

bool is_metric_word(const std::string& word) {
  return word.size() <= kNameBytesMax && std::all_of(word.begin(), word.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

void add_suffix(std::string& name, const std::string& suffix) {
  if (!name.ends_with(suffix)) {
    name += suffix;
  }
}

}  // namespace

std::string exported_metric_name(const std::string& connector_id, const std::string& name,
                                 const std::string& unit, bool counter) {
  if (name.empty() || !is_metric_word(name) || !is_metric_word(unit)) {
    return {};
  }
  std::string out = "dstream_" + connector_id + "_" + name;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  if (out.ends_with("_total")) {
    out.resize(out.size() - std::strlen("_total"));
  }
  if (!unit.empty()) {
    add_suffix(out, "_" + unit);
  }
  return counter ? out + "_total" : out;
}

const dstream_config HostServices::kConfigExtension = {&HostServices::config_get};
const dstream_metrics HostServices::kMetricsExtension = {&HostServices::metric_define,
                                                         &HostServices::metric_record};

Result<std::unique_ptr<HostServices>> HostServices::create(const InstanceOptions& options,
                                                           const std::string& connector_id) {
  auto config = ConfigValues::parse(options.config_json);
  if (!config) {
    return fail(config.error());
  }
  return std::unique_ptr<HostServices>(new HostServices(options, connector_id, std::move(*config)));
}

HostServices::HostServices(const InstanceOptions& options, const std::string& connector_id,
                           ConfigValues config)
    : pipeline_(options.pipeline),
      connector_id_(connector_id),
      log_(options.log),
      metrics_(options.metrics),
      config_(std::move(config)),
      misbehaviour_(options.pipeline, connector_id, options.log, options.metrics),
      instruments_(std::make_unique<Instrument[]>(kMetricsMax)) {
  host_.struct_size = sizeof host_;
  host_.abi_minor = DSTREAM_ABI_MINOR;
  host_.host_data = this;
  host_.name = "dstream";
  host_.version = DSTREAM_VERSION;
  host_.log_level = &log_level;
  host_.log = &log;
  host_.settle = &settle;
  host_.get_extension = &get_extension;
}

HostServices& HostServices::of(const dstream_host* host) {
  return *static_cast<HostServices*>(host->host_data);
}

dstream_log_level HostServices::log_level(const dstream_host* host) noexcept {
  const Log* log = of(host).log_;
  return log != nullptr ? static_cast<dstream_log_level>(log->level()) : DSTREAM_LOG_ERROR + 1;
}

void HostServices::log(const dstream_host* host, dstream_log_level level, const char* message,
                       const dstream_field* fields, uint32_t field_count) noexcept {
  if (level < log_level(host)) {
    return;
  }
  try {
    of(host).write_log(level, message, fields, field_count);
  } catch (...) {
    // Out of memory while logging: the line is lost, nothing else is.
  }
}

void HostServices::write_log(dstream_log_level level, const char* message,
                             const dstream_field* fields, uint32_t field_count) const {
  std::vector<LogField> out{{"pipeline", pipeline_}, {"plugin", connector_id_}};
  for (uint32_t i = 0; fields != nullptr && i < std::min(field_count, kLogFieldsMax); i++) {
    const dstream_field& field = fields[i];
    if (field.name == nullptr || (field.value.data == nullptr && field.value.size > 0)) {
      continue;
    }
    out.push_back({field.name,
                   printable({reinterpret_cast<const char*>(field.value.data), field.value.size})});
  }
  int clamped = std::clamp<int>(level, DSTREAM_LOG_TRACE, DSTREAM_LOG_ERROR);
  log_->write(static_cast<LogLevel>(clamped), text_of(message, kLogMessageBytesMax),
              std::span<const LogField>(out));
}

void HostServices::settle(const dstream_host* host, uint64_t delivery_id, uint32_t first,
                          uint32_t count, dstream_status result,
                          const dstream_error* error) noexcept {
  HostServices& self = of(host);
  if (self.receiver_ == nullptr) {
    self.misbehaviour_.fatal("settle_from_source", "called settle(), which is for sinks.");
    return;
  }
  self.receiver_->settle(delivery_id, first, count, result, error);
}

const void* HostServices::get_extension(const dstream_host* host, const char* id) noexcept {
  if (id == nullptr) {
    return nullptr;
  }
  std::string_view name(id);
  if (name == DSTREAM_EXT_CONFIG) {
    return &kConfigExtension;
  }
  if (name == DSTREAM_EXT_METRICS && of(host).metrics_ != nullptr) {
    return &kMetricsExtension;
  }
  return nullptr;
}

dstream_status HostServices::config_get(const dstream_host* host, const char* json_pointer,
                                        dstream_value* out) noexcept {
  if (json_pointer == nullptr || out == nullptr) {
    return DSTREAM_CONFIG;
  }
  return of(host).config_.get(json_pointer, out);
}

uint64_t HostServices::metric_define(const dstream_host* host, const char* name, uint32_t kind,
                                     const char* unit, const char* help) noexcept {
  try {
    return of(host).define_metric(name, kind, unit, help);
  } catch (...) {
    return 0;
  }
}

uint64_t HostServices::define_metric(const char* name, uint32_t kind, const char* unit,
                                     const char* help) {
  std::string exported = kind > 2
                             ? std::string()
                             : exported_metric_name(connector_id_, text_of(name, kNameBytesMax + 1),
                                                    text_of(unit, kNameBytesMax + 1), kind == 0);
  if (exported.empty()) {
    return 0;
  }
  std::string help_text = text_of(help, 1024);
  MetricLabels labels{{"pipeline", pipeline_}, {"plugin", connector_id_}};
  std::lock_guard lock(define_mutex_);
  for (uint32_t i = 0; i < instrument_count_; i++) {
    if (instruments_[i].name == exported) {
      bool same = instruments_[i].kind.load(std::memory_order_relaxed) == static_cast<int>(kind);
      return same ? i + 1 : 0;
    }
  }
  if (instrument_count_ == kMetricsMax) {
    return 0;
  }
  Instrument& added = instruments_[instrument_count_];
  switch (kind) {
    case 0:
      added.instrument = metrics_->try_counter(exported, help_text, labels);
      break;
    case 1:
      added.instrument = metrics_->try_gauge(exported, help_text, labels);
      break;
    default:
      added.instrument = metrics_->try_histogram(exported, help_text, labels);
      break;
  }
  if (added.instrument == nullptr) {
    return 0;
  }
  added.name = exported;
  added.kind.store(static_cast<int>(kind), std::memory_order_release);
  return ++instrument_count_;
}

void HostServices::metric_record(const dstream_host* host, uint64_t metric, double value) noexcept {
  if (metric == 0 || metric > kMetricsMax) {
    return;
  }
  const Instrument& known = of(host).instruments_[metric - 1];
  switch (known.kind.load(std::memory_order_acquire)) {
    case 0:
      if (value >= 0) {  // a counter that falls, or becomes NaN, is worse than one that misses
        static_cast<Counter*>(known.instrument)->add(value);
      }
      break;
    case 1:
      static_cast<Gauge*>(known.instrument)->set(value);
      break;
    case 2:
      static_cast<Histogram*>(known.instrument)->observe(value);
      break;
    default:
      break;
  }
}

}  // namespace dstream::core
