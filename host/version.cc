// dstream version
#include "dstream/abi.h"
#include "host/commands.h"

namespace dstream::host {

int version_command(const Arguments&, Output& output) {
  std::string abi = std::to_string(DSTREAM_ABI_MAJOR) + "." + std::to_string(DSTREAM_ABI_MINOR);
  core::JsonObject result = new_object();
  result->set("version", std::string(DSTREAM_VERSION));
  result->set("plugin_abi", abi);
  result->set("compiler", std::string(DSTREAM_COMPILER));
  result->set("build_type", std::string(DSTREAM_BUILD_TYPE));
  return output.succeed(core::Json(result), "dstream " DSTREAM_VERSION " (plugin ABI " + abi +
                                                ", " DSTREAM_COMPILER ", " DSTREAM_BUILD_TYPE
                                                ")\n");
}

}  // namespace dstream::host
