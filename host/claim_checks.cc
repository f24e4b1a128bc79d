#include "host/claim_checks.h"

#include <ctime>
#include <string>

#include "core/claims/blob_target.h"
#include "core/claims/claim_target.h"

namespace dstream::host {
namespace {

using Result = core::InstanceCheck::Result;

constexpr int64_t kDaySeconds = 24 * 3600;
constexpr int64_t kSoonSeconds = 7 * kDaySeconds;
constexpr const char* kRenew =
    "Make a new SAS of the container with the permissions c and w, and put it where "
    "claim_check.container_url has it from.";

std::string date_of(int64_t time_s) {
  const std::time_t time = time_s;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// What can be told without asking. The store has the last word.
core::InstanceCheck look_at_sas(const core::SasFacts& sas, int64_t now_s) {
  core::InstanceCheck check{Result::kOk, "claim_check.sas", "", "", ""};
  if (sas.expires_s && *sas.expires_s <= now_s) {
    return {Result::kFailed, check.id, "", "The SAS expired at " + date_of(*sas.expires_s) + ".",
            kRenew};
  }
  if (sas.not_before_s && *sas.not_before_s > now_s) {
    return {Result::kFailed, check.id, "",
            "The SAS is good only from " + date_of(*sas.not_before_s) + " on.", kRenew};
  }
  // The container's stored policy may say what the signature does not.
  if (!sas.has_policy && sas.permissions.find('w') == std::string::npos) {
    return {Result::kFailed, check.id, "",
            "The SAS has the permissions '" + sas.permissions + "', and w is not one of them.",
            kRenew};
  }
  if (!sas.expires_s) {
    check.sentence = "When the SAS expires is in a stored access policy of the container.";
    return check;
  }
  const std::string until = "The SAS is good until " + date_of(*sas.expires_s);
  if (*sas.expires_s - now_s < kSoonSeconds) {
    return {Result::kWarning, check.id, "", until + ", less than seven days from now.", kRenew};
  }
  check.sentence = until + ".";
  return check;
}

}  // namespace

void check_claim_store(core::FileSystem& files, const core::PipelineSettings& pipeline,
                       int64_t timeout_ms, int64_t now_s, const core::CheckHandler& handler) {
  if (pipeline.on_oversize != core::OnOversize::kClaimCheck) {
    return;
  }
  if (!pipeline.claim_check.container_url.empty()) {
    handler(look_at_sas(core::read_sas(pipeline.claim_check.container_url), now_s));
  }
  const std::string name = pipeline.name + "/doctor";
  const auto target =
      core::make_claim_target(pipeline.claim_check, &files, static_cast<uint64_t>(now_s),
                              std::chrono::milliseconds(timeout_ms));
  const core::ClaimTarget::Attempt attempt = target->put(name, "dstream doctor was here\n");
  const bool stored = attempt.outcome == core::ClaimTarget::Outcome::kStored;
  if (stored) {
    handler({Result::kOk, "claim_check.store", "",
             "A value was stored at " + target->location(name) + ".", ""});
    return;
  }
  const core::Error error = core::claim_error(attempt);
  handler({Result::kFailed, "claim_check.store", "",
           "A value cannot be stored (" + error.code + "): " + attempt.why + ".",
           attempt.outcome == core::ClaimTarget::Outcome::kAgain
               ? "Check claim_check, and the way to the store."
               : error.hint});
}

}  // namespace dstream::host
