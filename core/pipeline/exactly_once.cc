#include "core/pipeline/exactly_once.h"

#include "core/pipeline/worker.h"

namespace dstream::core {

Result<void> require_transactions(const GuardedSink& sink, const PipelineSettings& pipeline) {
  if (pipeline.exactly_once && !sink.offers_transactions()) {
    return fail(Error{"DS-DELIVERY-UNSUPPORTED",
                      "The sink '" + pipeline.sink.type + "' cannot deliver exactly once.",
                      "Write delivery: at_least_once; every message carries an id by which a "
                      "consumer can drop duplicates.",
                      pipeline.sink.place, ExitCode::kUsage});
  }
  return {};
}

Result<void> use_transactions(GuardedSink& sink, const PipelineSettings& pipeline) {
  if (auto offered = require_transactions(sink, pipeline); !offered || !pipeline.exactly_once) {
    return offered;
  }
  const CallResult used = sink.use_transactions(pipeline.name);
  if (!used.ok()) {
    Error error = plugin_error(Role::kSink, pipeline.sink.type, "transactions", used);
    error.place = pipeline.sink.place;
    return fail(std::move(error));
  }
  return {};
}

}  // namespace dstream::core
