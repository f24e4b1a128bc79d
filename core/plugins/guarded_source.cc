// The guard of a source.
#include "core/base/assert.h"
#include "core/plugins/batch_check.h"
#include "core/plugins/guarded_call.h"
#include "core/plugins/instance_extensions.h"

namespace dstream::core {
namespace {

dstream_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A batch that cannot be used still has to go back, if it says how (I7).
void release_unusable(dstream_batch* batch) {
  if (batch != nullptr && batch->struct_size >= sizeof *batch && batch->release != nullptr) {
    release_batch(batch);
  }
}

class GuardedSourceImpl final : public GuardedSource {
 public:
  GuardedSourceImpl(const LoadedConnector& connector, const InstanceOptions& options,
                    std::unique_ptr<HostServices> services)
      : api_(*connector.connector->source),
        calls_(connector, options, std::move(services)),
        batch_check_(options.check_values) {}

  ~GuardedSourceImpl() override {
    close();
    if (self_ != nullptr) {
      calls_.run_void("destroy()", [&] { api_.destroy(self_); });
    }
  }

  Result<void> create(const std::string& config_json) {
    Result<void> created = create_instance(calls_, api_, config_json, &self_);
    if (created) {
      extensions_.find(api_, self_);
    }
    return created;
  }

  CallResult open(std::string_view position) override {
    DSTREAM_ASSERT(!open_);
    CallResult result = calls_.run(
        "open()", GuardedCalls::kNoLimit, kAllowOk | kAllowCancelled,
        [&](dstream_error* error) { return api_.open(self_, bytes_of(position), error); });
    open_ = result.ok();
    return result;
  }

  CallResult read(uint32_t max_records, uint32_t max_wait_ms, dstream_batch** out) override {
    DSTREAM_ASSERT(open_ && max_records > 0);
    *out = nullptr;
    if (auto earlier = calls_.breach()) {
      return *earlier;
    }
    dstream_batch* batch = nullptr;
    CallResult result =
        calls_.run("read()", max_wait_ms, kAllowOk | kAllowAgain | kAllowEnd | kAllowCancelled,
                   [&](dstream_error* error) {
                     return api_.read(self_, max_records, max_wait_ms, &batch, error);
                   });
    const char* breach = nullptr;
    if (!result.ok()) {
      breach = batch != nullptr ? "returned a batch without OK." : nullptr;
    } else {
      breach = batch == nullptr ? "returned OK without a batch."
                                : batch_check_.find_breach(batch, max_records);
    }
    if (breach != nullptr) {
      result = calls_.breach("batch", breach);
    }
    if (!result.ok()) {
      release_unusable(batch);
      return result;
    }
    *out = batch;
    return result;
  }

  CallResult commit(std::string_view position) override {
    DSTREAM_ASSERT(open_);
    if (api_.commit == nullptr) {
      return {};
    }
    return calls_.run("commit()", GuardedCalls::kNoLimit, kAllowOk, [&](dstream_error* error) {
      return api_.commit(self_, bytes_of(position), error);
    });
  }

  void request_stop() override {
    calls_.stop_requested();
    calls_.run_void("request_stop()", [&] { api_.request_stop(self_); });
  }

  void close() override {
    if (open_) {
      open_ = false;
      calls_.run_void("close()", [&] { api_.close(self_); });
      calls_.reset();
    }
  }

  std::optional<CallInProgress> call_in_progress() const override { return calls_.in_progress(); }

  std::optional<std::string> status_json() override { return extensions_.status_json(); }

  std::optional<CallResult> request_snapshot(const std::string& table) override {
    return extensions_.request_snapshot(table);
  }

  std::optional<CallResult> run_checks(uint32_t max_wait_ms, std::string_view position,
                                       const CheckHandler& handler) override {
    DSTREAM_ASSERT(!open_);
    return extensions_.run_checks(max_wait_ms, position, handler);
  }

  std::optional<CallResult> set_data_loss_policy(int32_t policy) override {
    DSTREAM_ASSERT(!open_);
    return extensions_.set_data_loss_policy(policy);
  }

  std::optional<CallResult> reconfigure(const std::string& config_json) override {
    DSTREAM_ASSERT(!open_);
    return extensions_.reconfigure(config_json);
  }

 private:
  const dstream_source_api& api_;
  GuardedCalls calls_;
  InstanceExtensions extensions_{calls_};
  BatchCheck batch_check_;
  dstream_source* self_ = nullptr;
  bool open_ = false;
};

}  // namespace

Result<std::unique_ptr<GuardedSource>> make_source(const LoadedConnector& connector,
                                                   const InstanceOptions& options) {
  DSTREAM_ASSERT(connector.is_source());
  auto services = HostServices::create(options, connector.connector->id);
  if (!services) {
    return fail(services.error());
  }
  auto source = std::make_unique<GuardedSourceImpl>(connector, options, std::move(*services));
  if (auto created = source->create(options.config_json); !created) {
    return fail(created.error());
  }
  return source;
}

// Its memory is the plugin's: nothing is touched after the call (I7).
void release_batch(dstream_batch* batch) {
  Breadcrumb crumb(reinterpret_cast<const void*>(batch->release), "release()");
  batch->release(batch);
}

}  // namespace dstream::core
