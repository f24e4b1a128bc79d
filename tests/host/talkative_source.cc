// A source for tests that answers what it is asked while it runs: its status, copies of tables,
// checks. "act" decides what is wrong with it.
#include <dstream/plugin.hpp>

#include <mutex>
#include <set>
#include <string>

class TalkativeSource {
 public:
  dstream::StopToken stop;

  explicit TalkativeSource(dstream::Host host)
      : host_(host), act_(host.config_or<std::string>("/act", "")) {}

  void open(std::string_view) {
    if (act_ == "fail") throw dstream::Error(DSTREAM_FATAL, "Nobody can open this.");
    std::lock_guard lock(mutex_);
    connected_ = true;
  }
  std::optional<dstream::BatchBuilder> read(uint32_t, dstream::Millis max_wait) {
    stop.wait_for(max_wait);
    return std::nullopt;
  }
  void close() {}

  std::string status_json() {
    host_.info("Asked for its status.");
    if (act_ == "hang in status") hang();
    std::lock_guard lock(mutex_);
    std::string out = R"({"lag_ms": 4200, "server": ")" +
                      host_.config_or<std::string>("/connection", "") + R"(", "snapshots": [)";
    for (const std::string& table : asked_) {
      out += (out.back() == '[' ? "" : ", ") + (R"({"table": ")" + table) +
             R"(", "state": "running", "rows": 250, "rows_estimate": 1000, "left_ms": 65000})";
    }
    return out + "]}";
  }

  bool request_snapshot(std::string_view table) {
    std::lock_guard lock(mutex_);
    if (!connected_) throw dstream::Error(DSTREAM_RETRY, "Not connected yet.");
    if (table == "dbo.View") throw dstream::Error(DSTREAM_UNSUPPORTED, "dbo.View has no key.");
    if (table != "dbo.Orders") {
      throw dstream::Error(DSTREAM_CONFIG, "Only dbo.Orders and dbo.View are read.");
    }
    return asked_.insert(std::string(table)).second;
  }

  void check(dstream::Checks& checks) {
    if (act_ == "hang in checks") hang();
    checks.ok("connect",
              "Connected as " + host_.config_or<std::string>("/connection", "nobody") + ".");
    if (!checks.position().empty()) {
      checks.ok("position", "It goes on behind " + std::string(checks.position()) + ".");
    }
    if (act_ == "warn" || act_ == "fail") {
      checks.warning("retention", "Changes are kept for 4320 minutes only.",
                     "EXEC sys.sp_cdc_change_job\n  @job_type = N'cleanup';", "dbo.Orders");
    }
    if (act_ == "fail") checks.failed("cdc.enabled", "It is off.", "EXEC sys.sp_cdc_enable_db;");
    checks.skipped("agent.running", "The login may not see it.");
    if (act_ == "lost") throw dstream::Error(DSTREAM_REOPEN, "The connection broke.");
  }

 private:
  static void hang() {
    dstream::StopToken never;
    while (!never.wait_for(dstream::Millis(3'600'000))) {
    }
  }

  dstream::Host host_;
  const std::string act_;
  std::mutex mutex_;  // guards all below
  bool connected_ = false;
  std::set<std::string> asked_;
};

DSTREAM_PLUGIN("talkative", "DStream", "MIT",
               dstream::source<TalkativeSource>("talkative", "1.0.0", "Answers.", R"({
      "type": "object", "additionalProperties": false,
      "properties": {
        "connection": {"type": "string", "x-secret": true, "description": "Of the database."},
        "act": {"type": "string", "description": "What is wrong."}
      }
    })"));
