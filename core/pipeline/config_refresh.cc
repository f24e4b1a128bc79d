#include "core/pipeline/config_refresh.h"

namespace dstream::core {

bool ConfigRefresh::read(std::string* changed) {
  if (!context_.reread_config) {
    return false;
  }
  Result<std::string> now = context_.reread_config(context_.settings->name, role_);
  if (!now) {
    warn("The secrets could not be read again.", now.error().message);
    return false;
  }
  *changed = std::move(*now);
  return *changed != config_json_;
}

void ConfigRefresh::taken(const std::string& changed, const std::optional<CallResult>& result) {
  if (!result) {
    warn("A secret has changed, but this plugin takes it only at a restart.", "");
  } else if (!result->ok()) {
    warn("A secret has changed, but it cannot be used.", std::string(result->message()));
  } else {
    said_.clear();
    context_.log->write(LogLevel::kInfo, "A secret has changed and is used from now on.",
                        {{"pipeline", context_.settings->name},
                         {"side", role_ == Role::kSource ? "source" : "sink"}});
  }
  config_json_ = changed;
}

void ConfigRefresh::warn(const std::string& what, const std::string& reason) {
  if (said_ == what + reason) {
    return;
  }
  said_ = what + reason;
  context_.log->write(LogLevel::kWarn, what,
                      {{"pipeline", context_.settings->name},
                       {"side", role_ == Role::kSource ? "source" : "sink"},
                       {"reason", reason}});
}

}  // namespace dstream::core
