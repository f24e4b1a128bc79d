// A source for tests that tells everything it knows wherever it can speak: in its log, in its
// errors, in its records. It also fails and hangs on demand.
#include <dstream/plugin.hpp>

class LeakySource {
 public:
  dstream::StopToken stop;

  LeakySource(dstream::Host host, std::string_view config)
      : host_(host), config_(config), fail_(host.config_or<std::string>("/fail", "")) {
    host_.log(DSTREAM_LOG_ERROR, "created with " + config_);
    if (fail_ == "create") {
      throw dstream::Error(DSTREAM_CONFIG, "cannot use " + config_);
    }
    schema_.column("n", DSTREAM_INT64, "bigint", DSTREAM_COLUMN_KEY);
  }

  void open(std::string_view) {
    host_.log(DSTREAM_LOG_ERROR, "connecting to " + host_.config<std::string>("/connection"));
    if (fail_ == "open") {
      throw dstream::Error(DSTREAM_FATAL,
                           "login failed for " + host_.config<std::string>("/connection"));
    }
  }

  std::optional<dstream::BatchBuilder> read(uint32_t, dstream::Millis max_wait) {
    if (fail_ == "hang") {
      host_.log(DSTREAM_LOG_WARN, "hanging");
      std::mutex mutex;
      std::condition_variable never;
      std::unique_lock lock(mutex);
      never.wait(lock, [] { return false; });
    }
    stop.wait_for(max_wait);
    return std::nullopt;
  }

  void close() {}

 private:
  dstream::Host host_;
  std::string config_;
  std::string fail_;
  dstream::Schema schema_{"demo", "leaks"};
};

DSTREAM_PLUGIN("leaky", "DStream", "MIT",
               dstream::source<LeakySource>("leaky", "1.0.0", "Tells everything.", R"({
      "type": "object", "additionalProperties": false, "required": ["connection"],
      "properties": {
        "connection": {"type": "string", "x-secret": true, "description": "Of the database."},
        "token": {"type": "string", "description": "Read from a file in the tests."},
        "fail": {"type": "string", "enum": ["", "create", "open", "hang"]}
      }
    })"));
