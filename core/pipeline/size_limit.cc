#include "core/pipeline/size_limit.h"

namespace dstream::core {

Result<void> require_size_limit(GuardedSink& sink, const PipelineSettings& pipeline) {
  if (pipeline.on_oversize == OnOversize::kOnReject || sink.message_bytes_max()) {
    return {};
  }
  return fail(Error{"DS-CONFIG-UNSUPPORTED",
                    "The sink '" + pipeline.sink.type +
                        "' does not say how large a message may be, so that on_oversize would do "
                        "nothing.",
                    "Remove on_oversize.", pipeline.sink.place, ExitCode::kUsage});
}

}  // namespace dstream::core
