// Claim-checked values as block blobs of a container of Azure Blob Storage, written with a shared
// access signature (SAS) over HTTPS.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/claims/claim_target.h"
#include "http/http_call.h"

namespace dstream::core {

// What can be read in a SAS itself.
struct SasFacts {
  std::string permissions;              // sp: "cw"
  std::optional<int64_t> expires_s;     // se: Unix time; nullopt where a stored policy says it
  std::optional<int64_t> not_before_s;  // st
  bool has_policy = false;              // si: the container's stored access policy says the rest
};
SasFacts read_sas(const std::string& container_url);

class BlobTarget final : public ClaimTarget {
 public:
  BlobTarget(const std::string& container_url, std::string ca_file,
             std::chrono::milliseconds timeout);

  std::string location(const std::string& name) const override;
  Attempt put(const std::string& name, std::string_view value) override;
  void cancel() override { call_.cancel(); }

 private:
  const std::string container_;  // without the signature
  const std::string signature_;  // (I11)
  http::HttpCall call_;
};

}  // namespace dstream::core
