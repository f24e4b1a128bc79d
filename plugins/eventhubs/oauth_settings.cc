#include "oauth_settings.h"

namespace eventhubs {
namespace {

constexpr const char* kAuthority = "https://login.microsoftonline.com";
constexpr const char* kInstanceMetadata = "http://169.254.169.254/metadata/identity/oauth2/token";

bool is_loopback(const std::string& url) {
  return url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:");
}

// Secrets and tokens travel there.
void require_tls(const SettingsReader& reader, const std::string& key, const std::string& url) {
  if (!url.starts_with("https://") && !is_loopback(url)) {
    refuse_key(reader.pointer() + "/" + key,
               "Write a URL that begins with https://: a secret is sent to it.");
  }
}

void require(const SettingsReader& reader, const std::string& key, const std::string& value,
             const std::string& otherwise = "") {
  if (value.empty()) {
    refuse_key(reader.pointer() + "/" + key, "It is needed for this method" + otherwise + ".");
  }
}

std::string first_of(const SettingsReader& reader, const std::string& key,
                     const std::string& otherwise) {
  std::string value = otherwise;
  reader.read(key, &value);
  return value;
}

// Of Entra ID, unless token_url names another one.
std::string endpoint_of(const SettingsReader& reader, const Environment& environment) {
  std::string url;
  reader.read("token_url", &url);
  if (!url.empty()) {
    require_tls(reader, "token_url", url);
    return url;
  }
  const std::string host = environment("AZURE_AUTHORITY_HOST");
  std::string authority = first_of(reader, "authority", host.empty() ? kAuthority : host);
  while (authority.ends_with('/')) {
    authority.pop_back();
  }
  require_tls(reader, "authority", authority);
  const std::string tenant = first_of(reader, "tenant_id", environment("AZURE_TENANT_ID"));
  require(reader, "tenant_id", tenant, ", or token_url");
  if (tenant.find_first_of("/?#%") != std::string::npos) {
    refuse_key(reader.pointer() + "/tenant_id", "A tenant is a GUID or a domain name.");
  }
  return authority + "/" + tenant + "/oauth2/v2.0/token";
}

TokenMethod method_of(const SettingsReader& reader) {
  std::string name;
  reader.read("method", &name);
  if (name == "workload_identity") {
    return TokenMethod::kWorkloadIdentity;
  }
  return name == "managed_identity" ? TokenMethod::kManagedIdentity : TokenMethod::kClientSecret;
}

}  // namespace

OAuthSettings read_oauth(const SettingsReader& reader, const std::string& default_scope,
                         const Environment& environment) {
  OAuthSettings out;
  out.method = method_of(reader);
  out.scope = first_of(reader, "scope", default_scope);
  reader.read("ca_file", &out.ca_file);
  reader.read("client_id", &out.client_id);
  switch (out.method) {
    case TokenMethod::kClientSecret:
      reader.read("client_secret", &out.client_secret);
      require(reader, "client_id", out.client_id);
      require(reader, "client_secret", out.client_secret);
      out.token_url = endpoint_of(reader, environment);
      break;
    case TokenMethod::kWorkloadIdentity:
      if (out.client_id.empty()) {
        out.client_id = environment("AZURE_CLIENT_ID");
      }
      out.token_file = first_of(reader, "token_file", environment("AZURE_FEDERATED_TOKEN_FILE"));
      require(reader, "client_id", out.client_id, ", or the variable AZURE_CLIENT_ID");
      require(reader, "token_file", out.token_file, ", or the variable AZURE_FEDERATED_TOKEN_FILE");
      out.token_url = endpoint_of(reader, environment);
      break;
    case TokenMethod::kManagedIdentity:
      out.identity_header = environment("IDENTITY_HEADER");
      out.token_url = environment("IDENTITY_ENDPOINT");
      if (out.token_url.empty() || out.identity_header.empty()) {
        out.identity_header.clear();
        out.token_url = kInstanceMetadata;
      }
      reader.read("token_url", &out.token_url);
      require(reader, "scope", out.scope);
      break;
  }
  return out;
}

}  // namespace eventhubs
