// How the sink gets access tokens: the configuration's `oauth`, and what the platform adds to it.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "settings_reader.h"

namespace eventhubs {

enum class TokenMethod : uint8_t {
  kClientSecret,      // a client id and its secret, at a token endpoint
  kWorkloadIdentity,  // a client id and a token that the platform keeps in a file
  kManagedIdentity    // the machine's own identity: the instance metadata service, or App Service
};

struct OAuthSettings {
  TokenMethod method = TokenMethod::kClientSecret;
  std::string token_url;
  std::string client_id;  // of a managed identity: empty is the system's own
  std::string client_secret;
  std::string token_file;       // of workload identity; read for each token, for it is rotated
  std::string identity_header;  // App Service's; empty: the instance metadata service
  std::string scope;            // "https://HOST/.default"; may be empty for other brokers
  std::string ca_file;          // trusted for token_url; empty: the system's
};

// The value of an environment variable; empty if it is not set.
using Environment = std::function<std::string(const char* name)>;

// Variables: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE and AZURE_AUTHORITY_HOST
// as workload identity sets them, IDENTITY_ENDPOINT and IDENTITY_HEADER of App Service. What the
// configuration says comes first. Throws dstream::Error (CONFIG) with the key that is missing.
OAuthSettings read_oauth(const SettingsReader& reader, const std::string& default_scope,
                         const Environment& environment);

}  // namespace eventhubs
