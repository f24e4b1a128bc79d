// What the admin interface answers: the state of the pipelines, metrics, and requests to them.
//
//   GET  /status                      everything, as JSON
//   GET  /metrics                     Prometheus text
//   GET  /health                      200 while the process answers
//   GET  /ready                       200 while every pipeline runs or has ended by itself, else
//                                     503
//   POST /pipelines/NAME/snapshot     {"table": "dbo.Orders"}; 202 taken, 200 it was already
//   POST /reload                      {} or {"pipeline": "people"}; 202 with its number
//   GET  /reload/NUMBER               how that stands
//
// There are no passwords yet, so the interface trusts whoever reaches it: the socket in the state
// folder is its owner's, and a listener is for this machine unless the operator says otherwise. A
// web page that a browser of this machine shows reaches it, too: requests by name from elsewhere
// (DNS rebinding) are refused, and what changes something needs a content type that a page may not
// send unasked.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/base/redact.h"
#include "core/pipeline/pipeline.h"
#include "host/http_message.h"
#include "host/reload.h"

namespace dstream::host {

struct PipelineView {
  std::string name;
  std::string source_type;
  std::string sink_type;
  std::optional<core::PipelineStatus> status;  // nullopt: not made yet, or it could not be
  std::optional<core::Error> create_error;
  core::PluginStatus plugins;
  double records_per_second = 0;  // delivered, over the last seconds
};

// The pipelines of the process. [any-thread]
class AdminTarget {
 public:
  virtual ~AdminTarget() = default;
  virtual std::vector<PipelineView> pipelines() = 0;
  // True: taken down; false: it was already. Errors: DS-ADMIN-NO-PIPELINE, DS-SNAPSHOT-*.
  virtual core::Result<bool> request_snapshot(const std::string& pipeline,
                                              const std::string& table) = 0;
};

// Borrowed pointers outlive the interface.
struct AdminSettings {
  AdminTarget* target = nullptr;
  const core::Clock* clock = nullptr;
  const core::MetricsRegistry* metrics = nullptr;
  std::shared_ptr<const core::Redactor> redactor;  // I11
  std::string version;
  std::string state_dir;
  std::string listen_host;  // of admin.listen, as it is written; "" if there is none
  Reloads* reloads = nullptr;
};

class Admin {
 public:
  explicit Admin(AdminSettings settings);
  HttpResponse answer(const HttpRequest& request);

 private:
  HttpResponse route(const HttpRequest& request);
  HttpResponse status();
  HttpResponse ready();
  HttpResponse snapshot(const std::string& pipeline, const HttpRequest& request);
  HttpResponse ask_to_reload(const HttpRequest& request);
  HttpResponse reload_report(const std::string& number);
  bool knows_host(const std::string& host) const;

  const AdminSettings settings_;
  const int64_t started_monotonic_ns_;
  const int64_t started_wall_ns_;
};

}  // namespace dstream::host
