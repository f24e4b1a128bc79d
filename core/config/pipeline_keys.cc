#include "core/config/pipeline_keys.h"

#include <Poco/JSON/Array.h>

#include "core/base/assert.h"
#include "core/config/units.h"

namespace dstream::core {
namespace {

int64_t duration_ms(const JsonObject& owner, const char* key) {
  auto value = parse_duration_ms(owner->getValue<std::string>(key));
  DSTREAM_ASSERT(value.has_value());
  return *value;
}

MessageSettings read_messages(const JsonObject& pipeline) {
  MessageSettings out;
  out.pipeline = pipeline->getValue<std::string>("name");
  JsonObject format = pipeline->getObject("format");
  out.format = format->getValue<std::string>("type");
  out.schemas_enable = format->getValue<bool>("schemas_enable");
  out.tombstones = format->getValue<bool>("tombstones");
  out.topic_prefix = format->getValue<std::string>("topic_prefix");
  out.large_integers_as_strings = format->getValue<bool>("large_integers_as_strings");
  out.schema_changes = format->getValue<bool>("schema_changes");
  out.cloudevents_binary = format->getValue<std::string>("cloudevents_mode") == "binary";
  out.cloudevents_source = format->getValue<std::string>("cloudevents_source");
  out.registry = read_registry(pipeline);
  JsonObject key = pipeline->getObject("key");
  out.partition = pipeline->optValue<std::string>("partition", "");
  out.key_bytes_max = key->getValue<uint64_t>("bytes_max");
  out.allow_no_key = key->getValue<bool>("allow_none");
  JsonObject tables = key->getObject("columns");
  for (const std::string& table : tables->getNames()) {
    for (const Json& column : *tables->getArray(table)) {
      out.key_columns[table].push_back(column.toString());
    }
  }
  return out;
}

OnOversize read_on_oversize(const JsonObject& pipeline) {
  auto name = pipeline->optValue<std::string>("on_oversize", "");
  return name == "stop"               ? OnOversize::kStop
         : name == "dead_letter"      ? OnOversize::kDeadLetter
         : name == "truncate_columns" ? OnOversize::kTruncateColumns
         : name == "split"            ? OnOversize::kSplit
         : name == "claim_check"      ? OnOversize::kClaimCheck
                                      : OnOversize::kOnReject;
}

RetrySettings read_retry(const JsonObject& pipeline) {
  JsonObject retry = pipeline->getObject("retry");
  RetrySettings out;
  out.backoff_min_ms = duration_ms(retry, "backoff_min");
  out.backoff_max_ms = duration_ms(retry, "backoff_max");
  out.max_elapsed_ms = duration_ms(retry, "max_elapsed");
  out.denied_for_ms = duration_ms(retry, "denied_for");
  return out;
}

DeadLetterSettings read_dead_letter(const JsonObject& pipeline) {
  JsonObject keys = pipeline->getObject("dead_letter");
  auto bytes = parse_size_bytes(keys->getValue<std::string>("file_bytes_max"));
  DSTREAM_ASSERT(bytes.has_value());
  DeadLetterSettings out;
  out.file_bytes_max = *bytes;
  out.files_max = keys->getValue<uint32_t>("files_max");
  out.on_full = keys->getValue<std::string>("on_full") == "wait" ? OnDeadLettersFull::kWait
                                                                 : OnDeadLettersFull::kStop;
  return out;
}

// Values go to one place, and only where something sends them.
void check_claim_check(const JsonObject& pipeline, const PipelineSettings& settings,
                       const Origins& origins, const std::string& pointer,
                       std::vector<Error>& errors) {
  const bool wanted = settings.on_oversize == OnOversize::kClaimCheck;
  const ClaimCheckSettings& claims = settings.claim_check;
  const std::string at = pointer + "/claim_check";
  if (wanted && claims.folder.empty() && claims.container_url.empty()) {
    errors.push_back({"DS-CONFIG-MISSING-KEY",
                      dotted(pointer + "/on_oversize") +
                          " claim_check needs claim_check.folder or claim_check.container_url.",
                      "Say where values are stored: claim_check: {folder: /srv/values}.",
                      origins.value_place(pointer + "/on_oversize"), ExitCode::kUsage});
  } else if (!claims.folder.empty() && !claims.container_url.empty()) {
    errors.push_back({"DS-CONFIG-VALUE", dotted(at) + " has both folder and container_url.",
                      "Keep one of them.", origins.key_place(at), ExitCode::kUsage});
  } else if (!wanted && pipeline->has("claim_check")) {
    errors.push_back({"DS-CONFIG-VALUE",
                      dotted(at) + " has no effect without on_oversize: claim_check.",
                      "Set on_oversize, or remove it.", origins.key_place(at), ExitCode::kUsage});
  }
}

}  // namespace

RegistrySettings read_registry(const JsonObject& pipeline) {
  RegistrySettings out;
  const JsonObject format = pipeline->getObject("format");
  if (!format->has("registry")) {
    return out;
  }
  JsonObject keys = format->getObject("registry");
  out.url = keys->getValue<std::string>("url");
  while (out.url.back() == '/') {
    out.url.pop_back();
  }
  out.username = keys->getValue<std::string>("username");
  out.password = keys->getValue<std::string>("password");
  out.ca_file = keys->getValue<std::string>("ca_file");
  out.register_schemas = keys->getValue<bool>("register_schemas");
  return out;
}

ClaimCheckSettings read_claim_check(const JsonObject& pipeline) {
  ClaimCheckSettings out;
  if (pipeline->has("claim_check")) {
    JsonObject keys = pipeline->getObject("claim_check");
    out.folder = keys->optValue<std::string>("folder", "");
    out.container_url = keys->optValue<std::string>("container_url", "");
    out.ca_file = keys->optValue<std::string>("ca_file", "");
  }
  return out;
}

PipelineSettings read_pipeline_keys(const JsonObject& pipeline, const Origins& origins,
                                    const std::string& pointer, std::vector<Error>& errors) {
  PipelineSettings out;
  out.name = pipeline->getValue<std::string>("name");
  out.place = origins.value_place(pointer + "/name");
  out.messages = read_messages(pipeline);
  if (out.messages.format == "avro" && out.messages.registry.url.empty()) {
    errors.push_back({"DS-CONFIG-MISSING-KEY",
                      dotted(pointer + "/format") + " needs registry.url with type avro.",
                      "Name the schema registry: registry: {url: \"https://...\"}.",
                      origins.value_place(pointer + "/format/type"), ExitCode::kUsage});
  }
  if (out.messages.format == "avro" && out.messages.key_bytes_max != 0) {
    errors.push_back({"DS-CONFIG-UNSUPPORTED",
                      dotted(pointer + "/key/bytes_max") +
                          ": a hash is no key that the schema of avro describes.",
                      "Remove it, or choose another format.",
                      origins.value_place(pointer + "/key/bytes_max"), ExitCode::kUsage});
  }
  JsonObject queue = pipeline->getObject("queue");
  auto bytes = parse_size_bytes(queue->getValue<std::string>("max_bytes"));
  DSTREAM_ASSERT(bytes.has_value());
  out.queue_max_bytes = *bytes;
  out.batch_max_records = queue->getValue<uint32_t>("batch_max_records");
  out.checkpoint_interval_ms = duration_ms(pipeline->getObject("checkpoint"), "interval");
  out.stop_timeout_ms = duration_ms(pipeline, "stop_timeout");
  out.retry = read_retry(pipeline);
  if (out.retry.backoff_min_ms > out.retry.backoff_max_ms) {
    std::string at = pointer + "/retry/backoff_max";
    errors.push_back({"DS-CONFIG-VALUE", dotted(at) + " must be at least backoff_min.", "",
                      origins.value_place(at), ExitCode::kUsage});
  }
  out.on_reject = pipeline->getValue<std::string>("on_reject") == "dead_letter"
                      ? OnReject::kDeadLetter
                      : OnReject::kStop;
  out.on_oversize = read_on_oversize(pipeline);
  out.claim_check = read_claim_check(pipeline);
  check_claim_check(pipeline, out, origins, pointer, errors);
  out.dead_letter = read_dead_letter(pipeline);
  auto on_data_loss = pipeline->getValue<std::string>("on_data_loss");
  out.on_data_loss = on_data_loss == "continue"     ? OnDataLoss::kContinue
                     : on_data_loss == "resnapshot" ? OnDataLoss::kResnapshot
                                                    : OnDataLoss::kStop;
  out.exactly_once = pipeline->getValue<std::string>("delivery") == "exactly_once";
  return out;
}

}  // namespace dstream::core
