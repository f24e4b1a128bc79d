// A real Apache Kafka broker for tests.
//
//   KafkaBroker broker;                       // takes free ports and a folder, starts nothing yet
//   broker.start();                           // 3 s; fetches the jars first if they are missing
//   broker.create_topic("orders", 4);
//   ... produce to broker.connection_string() with broker.ca_file(), or to broker.plaintext() ...
//   broker.kill9(); broker.restart();         // same ports, same data
//   auto records = read_all(broker.plaintext(), "orders");
//
// Needs bash, Java 17, openssl, xxd, and Maven for the first fetch. The broker dies with the test
// program, however that ends.
//
// Thread rule: one thread at a time; pause(), resume() and kill9() [any-thread] while it runs.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/standins/kafka/leashed_process.h"
#include "tests/standins/kafka/port_lease.h"

namespace dstream::standin {

class KafkaBroker {
 public:
  struct Options {
    std::vector<std::string> properties;  // more lines for server.properties; the last one wins
  };

  KafkaBroker() : KafkaBroker(Options{}) {}
  explicit KafkaBroker(Options options);
  ~KafkaBroker();  // kills the broker and removes its folder
  KafkaBroker(const KafkaBroker&) = delete;
  KafkaBroker& operator=(const KafkaBroker&) = delete;

  // Both return when the broker serves. They throw std::runtime_error with the end of its log if it
  // does not within 60 s. REQUIRES: it does not run.
  void start();
  void restart() { start(); }
  // start() in two parts, for brokers that serve only together.
  void launch();
  void wait_until_serving();
  void stop();    // SIGTERM, waits for the end
  void kill9();   // SIGKILL, waits for the end: what a crash is
  void pause();   // SIGSTOP: connections stay open, nothing answers
  void resume();  // SIGCONT

  // "127.0.0.1:20001", no authentication.
  std::string plaintext() const;
  // "127.0.0.1:20002", TLS, SASL PLAIN with the user $ConnectionString.
  std::string sasl_ssl() const;
  // What an Event Hubs client is given: names sasl_ssl() and is, as a whole, the password.
  std::string connection_string() const;
  // The CA that signed the broker's certificate, and one that did not.
  std::string ca_file() const { return folder_ + "/certs/ca.pem"; }
  std::string other_ca_file() const { return folder_ + "/certs/other-ca.pem"; }
  const std::string& folder() const { return folder_; }
  // "127.0.0.1:20003", what the other nodes of a cluster are told.
  std::string controller() const;
  // As in Options; for the next start.
  void set_properties(std::vector<std::string> lines) { options_.properties = std::move(lines); }
  pid_t pid() const { return process_->pid(); }

  using Config = std::vector<std::pair<std::string, std::string>>;
  // Returns when every partition has a leader. `config` such as {"max.message.bytes", "10000"}.
  void create_topic(const std::string& name, int partitions, const Config& config = {});
  // Runs one of Kafka's own tools, e.g. "kafka.admin.ConfigCommand"; throws if it fails.
  void run_tool(const std::string& class_name, const std::vector<std::string>& arguments);

 private:
  [[noreturn]] void fail(const std::string& what) const;

  Options options_;
  PortLease plain_port_;
  PortLease sasl_port_;
  PortLease controller_port_;
  std::string folder_;
  std::unique_ptr<LeashedProcess> process_;
};

}  // namespace dstream::standin
