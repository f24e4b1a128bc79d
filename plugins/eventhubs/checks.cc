#include "checks.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <system_error>
#include <vector>

#include "check_client.h"
#include "coordinator_probe.h"
#include "error_class.h"
#include "http/http_call.h"
#include "token_request.h"

namespace eventhubs {
namespace {

using dstream::Checks;
using dstream::Millis;

// What a batch may have in the tiers of Event Hubs that most have.
constexpr uint64_t kEventHubsBatchBytesMax = 1'046'528;
constexpr Millis kProducerIdWait{5000};
constexpr const char* kNetwork =
    "Check the host name, the port, and firewalls in between; Event Hubs needs port 9093.";

struct Endpoint {
  std::string host;
  std::string port;
  std::string text() const { return host + ":" + port; }
};

// "a:9092,SSL://[::1]:9093" as librdkafka reads it.
std::vector<Endpoint> endpoints(const std::string& brokers) {
  std::vector<Endpoint> out;
  for (size_t at = 0; at < brokers.size();) {
    const size_t end = std::min(brokers.find(',', at), brokers.size());
    std::string one = brokers.substr(at, end - at);
    at = end + 1;
    if (const size_t scheme = one.find("://"); scheme != std::string::npos) {
      one.erase(0, scheme + 3);
    }
    const size_t bracket = one.rfind(']');
    const size_t colon = one.rfind(':');
    const bool has_port =
        colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
    Endpoint endpoint{one.substr(0, has_port ? colon : one.size()),
                      has_port ? one.substr(colon + 1) : "9092"};
    if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']')) {
      endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
    }
    const size_t blank = endpoint.host.find_first_not_of(' ');
    if (blank != std::string::npos) {
      out.push_back({endpoint.host.substr(blank), endpoint.port});
    }
  }
  return out;
}

// 0, or the system's number for why not.
int connect_to(const addrinfo& address, Millis max_wait) {
  const int descriptor =
      socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) {
    return errno;
  }
  int number = connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (number == EINPROGRESS) {
    pollfd wait{descriptor, POLLOUT, 0};
    socklen_t size = sizeof number;
    if (poll(&wait, 1, static_cast<int>(max_wait.count())) <= 0) {
      number = ETIMEDOUT;
    } else {
      getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &size);
    }
  }
  close(descriptor);
  return number;
}

class SinkChecks {
 public:
  SinkChecks(const Settings& settings, const Scrubber& scrubber, dstream::Host host,
             const Checks& checks)
      : settings_(settings),
        scrubber_(scrubber),
        host_(host),
        checks_(checks),
        wait_(static_cast<Millis::rep>(settings.connect_timeout_ms)) {}

  void run() {
    bool reachable = false;
    for (const Endpoint& endpoint : endpoints(settings_.brokers)) {
      reachable |= check_network(endpoint);
    }
    if (!reachable) {
      skip_rest("No broker can be reached.");
      return;
    }
    if (settings_.oauth && !check_token()) {
      skip_rest("There is no access token.");
      return;
    }
    CheckClient client(settings_, scrubber_, host_);
    const int brokers = client.wait_for_cluster(checks_, wait_);
    check_connection(client, brokers);
    if (brokers == 0) {
      return;
    }
    check_api(client);
    check_topic(client);
    check_compression();
    check_transactions();
  }

 private:
  bool check_network(const Endpoint& endpoint) const {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed = getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, [](addrinfo* list) {
      if (list != nullptr) {
        freeaddrinfo(list);
      }
    });
    if (failed != 0) {
      checks_.failed("name.resolves",
                     std::string("The name is not known here: ") + gai_strerror(failed) + ".",
                     "Correct the name, or the name server of this machine.", endpoint.text());
      return false;
    }
    checks_.ok("name.resolves", "The name is known.", endpoint.text());
    int number = 0;
    for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
      number = connect_to(*each, std::min(checks_.left(), wait_));
      if (number == 0) {
        checks_.ok("tcp.connects", "The port is open.", endpoint.text());
        return true;
      }
    }
    checks_.failed("tcp.connects",
                   "No connection: " + std::generic_category().message(number) + ".", kNetwork,
                   endpoint.text());
    return false;
  }

  void skip_rest(const std::string& why) const {
    for (const char* id : {"tls", "credentials", "api.versions", "topic", "message.size",
                           "compression", "transactions"}) {
      checks_.skipped(id, why);
    }
  }

  bool check_token() const {
    using std::chrono::milliseconds;
    using std::chrono::system_clock;
    try {
      HttpCall call(settings_.oauth->ca_file, std::min(wait_, checks_.left()));
      const HttpAnswer answer = call.send(make_token_request(*settings_.oauth));
      const auto now_ms =
          std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
      const Token token = read_token(answer, now_ms);
      checks_.ok("token", "The token endpoint gives access tokens; this one is good for " +
                              std::to_string((token.expires_at_ms - now_ms) / 1000) + " s.");
      return true;
    } catch (const std::exception& error) {
      checks_.failed("token", scrubber_.clean(error.what()),
                     "Check the oauth section, and that the token endpoint can be reached from "
                     "here: " +
                         settings_.oauth->token_url);
      return false;
    }
  }

  std::string described(const CheckClient& client) const {
    return client.trouble() ? client.trouble()->text
                            : "no answer in " + std::to_string(wait_.count()) + " ms";
  }

  static std::string advice(int code) {
    const std::string known = advice_for(code);
    return known.empty() ? kNetwork : known;
  }

  void check_connection(const CheckClient& client, int brokers) const {
    const int code = brokers > 0 || !client.trouble() ? 0 : client.trouble()->code;
    const bool denied = code != 0 && classify(code) == ErrorClass::kDenied;
    const bool login = !settings_.sasl.mechanism.empty();
    if (!settings_.tls.enabled && login) {
      checks_.warning("tls", "User and password go over the network as they are.",
                      "tls: {enabled: true}");
    } else if (!settings_.tls.enabled) {
      checks_.ok("tls", "TLS is not used.");
    } else if (brokers > 0 || denied) {
      checks_.ok("tls", "The broker's certificate is trusted.");
    } else {
      checks_.failed("tls", "No connection with TLS: " + described(client) + ".", advice(code));
    }
    if (brokers > 0) {
      checks_.ok("credentials", std::string(login ? "The login is accepted" : "No login is asked") +
                                    "; the cluster has " + std::to_string(brokers) +
                                    (brokers == 1 ? " broker." : " brokers."));
    } else if (denied) {
      checks_.failed("credentials", "The login is refused: " + described(client) + ".",
                     advice(code));
    } else if (settings_.tls.enabled) {
      checks_.skipped("credentials", "There is no connection yet.");
    } else {
      checks_.failed("credentials", "The broker does not answer: " + described(client) + ".",
                     advice(code));
    }
    if (brokers == 0) {
      for (const char* id : {"api.versions", "topic", "message.size", "compression"}) {
        checks_.skipped(id, "There is no connection to ask.");
      }
    }
  }

  void check_api(CheckClient& client) const {
    if (client.wait_for_producer_id(checks_, kProducerIdWait)) {
      checks_.ok("api.versions",
                 "The broker takes part in idempotent producing: it has given a producer id.");
    } else if (client.trouble()) {
      checks_.failed("api.versions",
                     "The broker gives no producer id: " + client.trouble()->text + ".",
                     advice(client.trouble()->code));
    } else {
      checks_.warning("api.versions", "The broker has given no producer id yet.",
                      "Look again; if it stays so, a broker older than Kafka 0.11 is in the way.");
    }
  }

  void check_topic(CheckClient& client) const {
    const std::string name = settings_.single_topic();
    if (name.empty()) {
      checks_.skipped("topic",
                      "Topics are named after the tables; which ones is seen when "
                      "changes come.");
      check_size_of_tier();
      return;
    }
    const CheckClient::TopicState state = client.ask_for_topic(name, checks_);
    if (state.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && settings_.create_topics) {
      checks_.warning("topic", "It is not there; a run makes it (create_topics).", "", name);
    } else if (state.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
               settings_.auto_create_topics) {
      checks_.warning("topic", "It is not there; the broker is asked to make it.", creation(name),
                      name);
      return;
    }
    if (state.code != 0) {
      const auto code = static_cast<rd_kafka_resp_err_t>(state.code);
      const bool unknown = state.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
      checks_.failed("topic", unknown ? "It is not there." : rd_kafka_err2str(code),
                     unknown ? creation(name) : advice(state.code), name);
      return;
    }
    if (state.without_leader > 0) {
      checks_.warning("topic",
                      std::to_string(state.without_leader) + " of " +
                          std::to_string(state.partitions) + " partitions have no leader now.",
                      "Look at the brokers: changes of these partitions wait.", name);
    } else {
      checks_.ok("topic", "It has " + std::to_string(state.partitions) + " partitions.", name);
    }
    settings_.event_hubs ? check_size_of_tier() : check_size_of_topic(client, name);
  }

  std::string creation(const std::string& name) const {
    if (settings_.event_hubs) {
      const std::string& host = settings_.event_hubs->host;
      return "az eventhubs eventhub create --resource-group GROUP --namespace-name " +
             host.substr(0, host.find('.')) + " --name " + name + " --partition-count 4";
    }
    return "kafka-topics.sh --bootstrap-server " + settings_.brokers + " --create --topic " + name +
           " --partitions 4";
  }

  void check_size_of_tier() const {
    if (!settings_.event_hubs) {
      checks_.skipped("message.size", "The limit is the topic's.");
    } else if (settings_.batch.bytes > kEventHubsBatchBytesMax) {
      checks_.warning("message.size",
                      "A batch may have " + std::to_string(settings_.batch.bytes) +
                          " bytes, which the Dedicated tier alone takes.",
                      "batch_bytes: 1046528B");
    } else {
      checks_.ok("message.size", "Every tier of Event Hubs takes batches of " +
                                     std::to_string(settings_.batch.bytes) + " bytes.");
    }
  }

  void check_size_of_topic(CheckClient& client, const std::string& name) const {
    std::string reason;
    const auto config = client.topic_config(name, checks_, &reason);
    if (!config || config->count("max.message.bytes") == 0) {
      checks_.skipped("message.size", "The broker does not tell its limit: " + reason + ".", name);
      return;
    }
    const std::string& text = config->at("max.message.bytes");
    uint64_t limit = 0;
    std::from_chars(text.data(), text.data() + text.size(), limit);
    if (limit < settings_.batch.bytes) {
      checks_.warning("message.size",
                      "The topic takes batches of " + text + " bytes, and they may have " +
                          std::to_string(settings_.batch.bytes) + ".",
                      "batch_bytes: " + text + "B", name);
    } else {
      checks_.ok("message.size", "The topic takes batches of " + text + " bytes.", name);
    }
  }

  void check_transactions() const {
    if (!settings_.transactional) {
      checks_.skipped("transactions", "Delivery is at least once; transactions are not used.");
      return;
    }
    const CoordinatorAnswer answer =
        probe_coordinator(settings_, scrubber_, host_, std::min(checks_.left(), wait_));
    if (answer.works) {
      checks_.ok("transactions", "The cluster takes transactions.");
    } else if (answer.refused) {
      checks_.failed("transactions", describe_refusal(settings_, answer),
                     "delivery: at_least_once");
    } else {
      checks_.failed("transactions",
                     "There is no coordinator for transactions: " +
                         (answer.text.empty() ? "no answer" : answer.text) + ".",
                     "Look at the brokers; with Event Hubs at the tier of the namespace.");
    }
  }

  void check_compression() const {
    if (!settings_.event_hubs || settings_.compression == "none") {
      checks_.ok("compression", "Batches are sent with compression " + settings_.compression + ".");
    } else if (settings_.compression == "gzip") {
      checks_.warning("compression", "Only the Premium and Dedicated tiers take gzip.",
                      "compression: none");
    } else {
      checks_.failed("compression", "Event Hubs does not take " + settings_.compression + ".",
                     "compression: none");
    }
  }

  const Settings& settings_;
  const Scrubber& scrubber_;
  dstream::Host host_;
  const Checks& checks_;
  const Millis wait_;
};

}  // namespace

void run_checks(const Settings& settings, const Scrubber& scrubber, dstream::Host host,
                const Checks& checks) {
  SinkChecks(settings, scrubber, host, checks).run();
}

}  // namespace eventhubs
