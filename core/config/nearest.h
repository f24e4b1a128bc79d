// The known name that a misspelt one was probably meant to be.
//
// Thread rule: plain functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dstream::core {

// The name with the fewest insertions, deletions, replacements and swaps of neighbours between it
// and `written`, letters compared without case; nullopt if even that one differs in more than a
// third of its letters. The earlier of two equally near names wins.
std::optional<std::string> nearest_name(std::string_view written,
                                        const std::vector<std::string>& known);

// "a, b and c"; at most `count_max` names, then "and 7 more".
std::string join_names(const std::vector<std::string>& names, size_t count_max = 24);

}  // namespace dstream::core
