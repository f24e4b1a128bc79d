#include "core/pipeline/data_loss.h"

#include "core/pipeline/worker.h"
#include "dstream/ext/draft/data_loss.h"

namespace dstream::core {
namespace {

dstream_data_loss_policy policy_of(OnDataLoss on_data_loss) {
  switch (on_data_loss) {
    case OnDataLoss::kContinue:
      return DSTREAM_DATA_LOSS_CONTINUE;
    case OnDataLoss::kResnapshot:
      return DSTREAM_DATA_LOSS_RESNAPSHOT;
    case OnDataLoss::kStop:
      break;
  }
  return DSTREAM_DATA_LOSS_STOP;
}

}  // namespace

Result<void> set_data_loss_policy(GuardedSource& source, const PipelineSettings& pipeline) {
  const std::optional<CallResult> set =
      source.set_data_loss_policy(policy_of(pipeline.on_data_loss));
  if (!set && pipeline.on_data_loss == OnDataLoss::kResnapshot) {
    return fail(Error{"DS-CONFIG-UNSUPPORTED",
                      "The source '" + pipeline.source.type +
                          "' cannot copy its tables again, as on_data_loss: resnapshot asks it to.",
                      "Write on_data_loss: stop, or continue.", pipeline.place, ExitCode::kUsage});
  }
  if (set && !set->ok()) {
    Error error = plugin_error(Role::kSource, pipeline.source.type, "data_loss", *set);
    error.place = pipeline.source.place;
    return fail(std::move(error));
  }
  return {};
}

}  // namespace dstream::core
