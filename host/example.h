// The text of conf/example.yaml, which the build puts into the program.
#pragma once

namespace dstream::host {

extern const char* const kExample;

}  // namespace dstream::host
