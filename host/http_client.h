// One request to the host that runs on a state folder.
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/config/json_text.h"
#include "host/http_message.h"

namespace dstream::host {

// Errors: DS-ADMIN-NO-HOST, DS-ADMIN-DENIED, DS-ADMIN-SOCKET, DS-ADMIN-TIMEOUT if the answer is not
// there within `max_wait_ms`, DS-ADMIN-ANSWER if it is none.
core::Result<HttpResponse> ask_host(const std::string& state_dir, const HttpRequest& request,
                                    int64_t max_wait_ms = 10'000);

// The same for an answer that is a JSON object; one that says no becomes the error it carries.
core::Result<core::JsonObject> ask_host_json(const std::string& state_dir,
                                             const HttpRequest& request);

}  // namespace dstream::host
