#include <array>

#include "settings.h"

namespace eventhubs {
namespace {

struct Refusal {
  std::string_view name;
  std::string_view reason;
};

constexpr std::string_view kGuarantee =
    "It is fixed: another value could lose messages or change their order.";
constexpr std::string_view kInside = "The connector drives this part of the client itself.";

// Names with their aliases.
constexpr std::array kRefusals = {
    Refusal{"enable.idempotence", kGuarantee},
    Refusal{"enable.gapless.guarantee", kGuarantee},
    Refusal{"acks", kGuarantee},
    Refusal{"request.required.acks", kGuarantee},
    Refusal{"max.in.flight", kGuarantee},
    Refusal{"max.in.flight.requests.per.connection", kGuarantee},
    Refusal{"retries", kGuarantee},
    Refusal{"message.send.max.retries", kGuarantee},
    Refusal{"message.timeout.ms", kGuarantee},
    Refusal{"delivery.timeout.ms", kGuarantee},
    Refusal{"delivery.report.only.error", kGuarantee},
    Refusal{"produce.offset.report", kInside},
    Refusal{"queuing.strategy", kGuarantee},
    Refusal{"transactional.id", kGuarantee},
    Refusal{"transaction.timeout.ms", kGuarantee},
    Refusal{"test.mock.num.brokers", kGuarantee},
    Refusal{"queue.buffering.backpressure.threshold", kGuarantee},
    Refusal{"queue.buffering.max.messages", kInside},
    Refusal{"queue.buffering.max.kbytes", kInside},
    Refusal{"queue.buffering.max.ms", "There is a key of its own for it: linger."},
    Refusal{"linger.ms", "There is a key of its own for it: linger."},
    Refusal{"batch.size", "There is a key of its own for it: batch_bytes."},
    Refusal{"message.max.bytes", "There is a key of its own for it: message_bytes_max."},
    Refusal{"compression.codec", "There is a key of its own for it: compression."},
    Refusal{"compression.type", "There is a key of its own for it: compression."},
    Refusal{"partitioner", "There is a key of its own for it: partitioner."},
    Refusal{"allow.auto.create.topics", "There is a key of its own for it: auto_create_topics."},
    Refusal{"bootstrap.servers", "There is a key of its own for it: brokers."},
    Refusal{"metadata.broker.list", "There is a key of its own for it: brokers."},
    Refusal{"client.id", "There is a key of its own for it: client_id."},
    Refusal{"security.protocol", "There are keys of their own for it: tls and sasl."},
    Refusal{"sasl.mechanism", "There is a key of its own for it: sasl.mechanism."},
    Refusal{"sasl.mechanisms", "There is a key of its own for it: sasl.mechanism."},
    Refusal{"sasl.username", "There is a key of its own for it: sasl.username."},
    Refusal{"sasl.password", "There is a key of its own for it: sasl.password."},
    Refusal{"ssl.ca.location", "There is a key of its own for it: tls.ca_file."},
    Refusal{"ssl.certificate.location", "There is a key of its own for it: tls.certificate_file."},
    Refusal{"ssl.key.location", "There is a key of its own for it: tls.key_file."},
    Refusal{"ssl.key.password", "There is a key of its own for it: tls.key_password."},
    // A password here would escape the redaction of secrets.
    Refusal{"ssl.keystore.password", "Use tls.certificate_file and tls.key_file."},
    Refusal{"sasl.oauthbearer.client.secret", "There is a key of its own for it: oauth."},
    Refusal{"sasl.oauthbearer.method", "There is a key of its own for it: oauth."},
    Refusal{"enable.sasl.oauthbearer.unsecure.jwt", "A token that nobody signed proves nothing."},
    Refusal{"plugin.library.paths", "It would load other code into the host."},
    Refusal{"log.queue", kInside},
    Refusal{"log_level", "The host's log level decides."},
    Refusal{"opaque", kInside},
};

const char* security_protocol(const Settings& settings) {
  if (settings.sasl.mechanism.empty()) {
    return settings.tls.enabled ? "ssl" : "plaintext";
  }
  return settings.tls.enabled ? "sasl_ssl" : "sasl_plaintext";
}

void add_if_set(const char* name, const std::string& value, Properties* out) {
  if (!value.empty()) {
    out->emplace_back(name, value);
  }
}

void add_connection(const Settings& settings, Properties* out) {
  out->emplace_back("bootstrap.servers", settings.brokers);
  out->emplace_back("client.id", settings.client_id);
  out->emplace_back("security.protocol", security_protocol(settings));
  // GSSAPI is librdkafka's default.
  add_if_set("sasl.mechanism", settings.sasl.mechanism, out);
  add_if_set("sasl.username", settings.sasl.username, out);
  add_if_set("sasl.password", settings.sasl.password, out);
  add_if_set("ssl.ca.location", settings.tls.ca_file, out);
  add_if_set("ssl.certificate.location", settings.tls.certificate_file, out);
  add_if_set("ssl.key.location", settings.tls.key_file, out);
  add_if_set("ssl.key.password", settings.tls.key_password, out);
}

}  // namespace

std::string refusal_of_property(std::string_view name) {
  for (const Refusal& refusal : kRefusals) {
    if (refusal.name == name) {
      return std::string(refusal.reason);
    }
  }
  return name.ends_with("_cb") ? std::string(kInside) : "";
}

Properties make_properties(const Settings& settings, const BatchLimits& batch) {
  Properties out;
  add_connection(settings, &out);
  out.insert(
      out.end(),
      {
          // Order and no loss (I3, I5). Any failed batch stops the line; see design note 003.
          {"enable.idempotence", "true"},
          {"enable.gapless.guarantee", "true"},
          {"acks", "all"},
          {"max.in.flight", std::to_string(kRequestsOnWireMax)},
          {"message.timeout.ms", "0"},
          // What Event Hubs may hold a request back for before it answers POLICY_VIOLATION; it
          // enforces 20 s at least. The socket must outlast it.
          {"request.timeout.ms", "60000"},
          {"socket.timeout.ms", "90000"},
          // Azure's load balancer drops a silent connection after 240 s, and Event Hubs one without
          // requests after 10 min, both without a word.
          {"socket.keepalive.enable", "true"},
          {"connections.max.idle.ms", "180000"},
          {"topic.metadata.refresh.interval.ms", "60000"},
          {"metadata.max.age.ms", "180000"},
          {"socket.nagle.disable", "true"},  // Nagle and TLS together add latency
          {"retry.backoff.ms", "500"},
          {"reconnect.backoff.ms", "200"},
          {"reconnect.backoff.max.ms", "10000"},
          {"allow.auto.create.topics", settings.auto_create_topics ? "true" : "false"},
          // The sink lingers itself and flushes; this is the net under it.
          {"linger.ms", "1000"},
          {"statistics.interval.ms", "10000"},
          {"batch.size", std::to_string(batch.bytes)},
          {"batch.num.messages", std::to_string(batch.messages)},
          {"message.max.bytes", std::to_string(settings.message_bytes_max)},
          {"compression.codec", settings.compression},
          // The sink counts what it hands over; these only have to be higher.
          {"queue.buffering.max.messages", "1000000"},
          {"queue.buffering.max.kbytes", "2097151"},
      });
  if (settings.transactional) {
    out.insert(out.end(),
               {// Any failed message fails its transaction, so nothing behind a gap is ever seen.
                {"enable.gapless.guarantee", "false"},
                {"transactional.id", settings.transactional_id},
                {"transaction.timeout.ms", std::to_string(kTransactionTimeoutMs)},
                // librdkafka wants them within the transaction's.
                {"message.timeout.ms", std::to_string(kTransactionTimeoutMs)},
                {"socket.timeout.ms", std::to_string(kTransactionTimeoutMs)},
                {"request.timeout.ms", std::to_string(kTransactionTimeoutMs / 2)}});
  }
  out.insert(out.end(), settings.librdkafka.begin(), settings.librdkafka.end());
  return out;
}

Properties make_connection_properties(const Settings& settings) {
  Properties out;
  add_connection(settings, &out);
  out.insert(out.end(), settings.librdkafka.begin(), settings.librdkafka.end());
  return out;
}

}  // namespace eventhubs
