#include "host/registry_checks.h"

#include <Poco/Dynamic/Var.h>
#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include <chrono>
#include <optional>
#include <string>

#include "core/registry/registry_client.h"
#include "http/http_call.h"

namespace dstream::host {
namespace {

using Result = core::InstanceCheck::Result;

core::InstanceCheck found(Result result, const std::string& sentence, const std::string& mend) {
  return {result, "format.registry", "", sentence, mend};
}

// The answer to /schemas/types is a list of names. nullopt: this is none, so that no registry gave
// it.
std::optional<bool> takes_avro(const std::string& body) {
  try {
    Poco::JSON::Parser parser;
    parser.setDepth(4);
    const auto types = parser.parse(body).extract<Poco::JSON::Array::Ptr>();
    bool is_there = false;
    for (const Poco::Dynamic::Var& type : *types) {
      is_there = type.extract<std::string>() == "AVRO" || is_there;
    }
    return is_there;
  } catch (const Poco::Exception&) {
    return std::nullopt;
  }
}

core::InstanceCheck judge_types(const std::string& body, bool has_login) {
  const std::optional<bool> avro = takes_avro(body);
  if (!avro) {
    return found(Result::kFailed, "What answers at format.registry.url is no schema registry.",
                 "Check host, port and path in format.registry.url: /schemas/types below it must "
                 "answer with a list of types.");
  }
  if (!*avro) {
    return found(Result::kFailed, "The schema registry takes no Avro schemas.",
                 "Allow AVRO in the registry, or name another one in format.registry.url.");
  }
  return found(Result::kOk,
               has_login ? "The schema registry answers and takes the login."
                         : "The schema registry answers, and asks for no login.",
               "");
}

core::InstanceCheck judge(const http::HttpAnswer& answer, bool has_login) {
  const std::string status = " (status " + std::to_string(answer.status) + ").";
  switch (answer.status) {
    case 200:
      return judge_types(answer.body, has_login);
    case 401:
      return found(Result::kFailed,
                   has_login ? "The schema registry refuses the login" + status
                             : "The schema registry wants a login" + status,
                   "Set format.registry.username and password to a login that the registry has.");
    case 403:
      // Who may not ask this may still have the right to the subjects of the pipeline.
      return found(Result::kWarning,
                   "The schema registry does not tell the login what types it takes" + status,
                   "Make sure that it may read, and with register_schemas write, the subjects "
                   "TOPIC-key and TOPIC-value.");
    case 404:
      return found(Result::kFailed, "There is no schema registry at format.registry.url" + status,
                   "Check the path in format.registry.url: /schemas/types must lie below it.");
    default:
      return found(Result::kFailed, "The schema registry cannot say what types it takes" + status,
                   "See what the registry says in its log; the pipeline waits for it.");
  }
}

}  // namespace

void check_registry(const core::PipelineSettings& pipeline, int64_t timeout_ms,
                    const core::CheckHandler& handler) {
  const core::RegistrySettings& registry = pipeline.messages.registry;
  if (registry.url.empty()) {
    return;
  }
  http::HttpCall call(registry.ca_file, std::chrono::milliseconds(timeout_ms));
  try {
    const http::HttpAnswer answer =
        call.send(core::registry_request(registry, "GET", "/schemas/types"));
    handler(judge(answer, !registry.username.empty()));
  } catch (const http::HttpError& error) {
    handler(found(Result::kFailed,
                  std::string("The schema registry gives no answer: ") + error.what(),
                  error.is_tls ? "Set format.registry.ca_file to the CA that signed the registry's "
                                 "certificate, and check that the port speaks TLS."
                               : "Check host and port in format.registry.url, and the way there."));
  }
}

}  // namespace dstream::host
