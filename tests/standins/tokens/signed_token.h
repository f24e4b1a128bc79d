// JSON Web Tokens, signed with RS256.
//
// Thread rule: plain functions.
#pragma once

#include <string>

namespace dstream::standin {

// `claims` is a JSON object; `key_file` a PEM private key, known to verifiers as `key_id`. Throws
// std::runtime_error.
std::string sign_token(const std::string& claims, const std::string& key_file,
                       const std::string& key_id);

}  // namespace dstream::standin
