#include "core/claims/claim_target.h"

#include "core/claims/blob_target.h"
#include "core/claims/folder_target.h"

namespace dstream::core {

std::unique_ptr<ClaimTarget> make_claim_target(const ClaimCheckSettings& settings,
                                               FileSystem* files, uint64_t seed,
                                               std::chrono::milliseconds timeout) {
  if (!settings.folder.empty()) {
    return std::make_unique<FolderTarget>(settings.folder, files, seed);
  }
  return std::make_unique<BlobTarget>(settings.container_url, settings.ca_file, timeout);
}

Error claim_error(const ClaimTarget::Attempt& attempt) {
  Error error;
  error.message = "A value that is too large for the sink cannot be stored: " + attempt.why + ".";
  switch (attempt.outcome) {
    case ClaimTarget::Outcome::kDenied:
      error.code = "DS-CLAIM-DENIED";
      error.hint =
          "Renew the SAS of claim_check.container_url (permissions c and w), or the "
          "permissions of claim_check.folder.";
      break;
    case ClaimTarget::Outcome::kRefused:
      error.code = "DS-CLAIM-REFUSED";
      error.hint =
          "Check claim_check.container_url, and that the container is there. Nothing is "
          "lost: the changes are read again.";
      break;
    default:
      error.code = "DS-CLAIM-AWAY";
      error.hint =
          "It is tried again by itself; until then nothing behind it is delivered, and "
          "nothing is lost.";
  }
  return error;
}

}  // namespace dstream::core
