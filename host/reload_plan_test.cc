#include "host/reload_plan.h"

#include <gmock/gmock.h>

namespace dstream::host {
namespace {

core::PipelineSettings pipeline(const std::string& name, const std::string& source = R"({"a":1})") {
  core::PipelineSettings out;
  out.name = name;
  out.place = core::Place{"f.yaml", 3, 1};
  out.source = {"generator", source, core::Place{"f.yaml", 4, 5}};
  out.sink = {"file", R"({"path":"x","size":2})", core::Place{"f.yaml", 5, 5}};
  return out;
}

std::string text(const std::vector<PlannedPipeline>& plan) {
  std::string out;
  for (const PlannedPipeline& each : plan) {
    out += each.name + " " + to_string(each.action) + (each.settings ? "+" : "") + ";";
  }
  return out;
}

TEST(SameConfiguration, PlacesAndTheOrderOfKeysDoNotCount) {
  core::PipelineSettings other = pipeline("a");
  other.place = core::Place{"other.yaml", 9, 9};
  other.source.place.reset();
  other.sink.config_json = R"({"size": 2, "path": "x"})";
  EXPECT_TRUE(same_configuration(pipeline("a"), other));
}

TEST(SameConfiguration, EverythingElseCounts) {
  const core::PipelineSettings one = pipeline("a");
  std::vector<std::function<void(core::PipelineSettings&)>> changes = {
      [](auto& it) { it.name = "b"; },
      [](auto& it) { it.source.type = "x"; },
      [](auto& it) { it.source.config_json = R"({"a":2})"; },
      [](auto& it) { it.sink.type = "x"; },
      [](auto& it) { it.sink.config_json = R"({"path":"x","size":2,"more":[]})"; },
      [](auto& it) { it.messages.topic = "x"; },
      [](auto& it) { it.messages.partition = "x"; },
      [](auto& it) { it.messages.registry.password = "x"; },
      [](auto& it) { it.messages.key_columns["dbo.t"] = {"a"}; },
      [](auto& it) { it.queue_max_bytes += 1; },
      [](auto& it) { it.batch_max_records += 1; },
      [](auto& it) { it.checkpoint_interval_ms += 1; },
      [](auto& it) { it.stop_timeout_ms += 1; },
      [](auto& it) { it.retry.denied_for_ms += 1; },
      [](auto& it) { it.exactly_once = true; },
      [](auto& it) { it.on_reject = core::OnReject::kDeadLetter; },
      [](auto& it) { it.on_oversize = core::OnOversize::kSplit; },
      [](auto& it) { it.dead_letter.files_max += 1; },
      [](auto& it) {
        it.dead_letter.sink = core::ConnectorSettings{"file", "{}", std::nullopt};
      },
      [](auto& it) { it.on_data_loss = core::OnDataLoss::kContinue; }};
  for (size_t i = 0; i < changes.size(); ++i) {
    core::PipelineSettings other = one;
    changes[i](other);
    EXPECT_FALSE(same_configuration(one, other)) << i;
  }
}

TEST(PlanReload, SaysWhatBecomesOfEachPipeline) {
  const std::vector<ConfiguredPipeline> running = {{pipeline("same"), false},
                                                   {pipeline("other"), false},
                                                   {pipeline("gone"), false},
                                                   {pipeline("failed"), true},
                                                   {pipeline("gone-failed"), true}};
  const std::vector<core::PipelineSettings> files = {pipeline("new"), pipeline("failed"),
                                                     pipeline("same"), pipeline("other", "{}")};
  EXPECT_EQ(text(plan_reload(running, files, "")),
            "new started+;failed started_again+;same unchanged;other changed+;gone stopped;"
            "gone-failed stopped;");
  EXPECT_EQ(text(plan_reload(running, files, "other")),
            "new not_asked;failed not_asked;same unchanged;other changed+;gone not_asked;"
            "gone-failed not_asked;");
}

}  // namespace
}  // namespace dstream::host
