#include "host/reload.h"

#include <gmock/gmock.h>

#include <future>

#include "host/reload_report.h"

namespace dstream::host {
namespace {

using ::testing::HasSubstr;

class LinesLog final : public core::Log {
 public:
  using core::Log::write;
  core::LogLevel level() const override { return core::LogLevel::kInfo; }
  void write(core::LogLevel, std::string_view message,
             std::span<const core::LogField> fields) override {
    lines += message;
    for (const core::LogField& field : fields) {
      lines += " " + std::string(field.key) + "=" + std::string(field.value);
    }
    lines += "\n";
  }
  std::string lines;
};

// Pipelines that are never made: the plan is all that is looked at.
class FakeTarget final : public ReloadTarget {
 public:
  std::vector<ConfiguredPipeline> configured() override { return running; }
  core::Result<std::vector<std::shared_ptr<PipelineRunner>>> apply(
      const std::vector<PlannedPipeline>& plan, const core::Rereads&) override {
    if (closing) {
      return core::fail("DS-RELOAD-STOPPING", "The process is about to end.");
    }
    for (const PlannedPipeline& each : plan) {
      applied += each.name + " " + to_string(each.action) + ";";
    }
    return std::vector<std::shared_ptr<PipelineRunner>>(plan.size());
  }
  std::vector<ConfiguredPipeline> running;
  std::string applied;
  bool closing = false;
};

core::PipelineSettings named(const std::string& name) {
  core::PipelineSettings out;
  out.name = name;
  out.source = {"generator", "{}", std::nullopt};
  out.sink = {"null", "{}", std::nullopt};
  return out;
}

class ReloadsTest : public ::testing::Test {
 protected:
  ReloadsTest() {
    now_.pipelines = {named("a"), named("b")};
    target_.running = {{named("a"), false}};
  }
  // What has come of requests that are all made before the thread starts.
  void carry_out() {
    ReloadSettings settings;
    settings.read = [this]() -> tl::expected<NewConfiguration, std::vector<core::Error>> {
      ++reads_;
      if (!errors_.empty()) {
        return tl::unexpected(errors_);
      }
      return now_;
    };
    settings.check_state = [this](const core::PipelineSettings& it) -> std::optional<core::Error> {
      checked_ += it.name + ";";
      return state_error_;
    };
    settings.target = &target_;
    settings.log = &log_;
    Reloads reloads(settings);
    for (const std::string& only : requests_) {
      numbers_.push_back(reloads.request(only));
    }
    EXPECT_EQ(reloads.report(numbers_.front())->state, ReloadState::kWaiting);
    reloads.start();
    for (uint64_t number : numbers_) {
      std::optional<ReloadReport> report;
      do {
        std::this_thread::yield();
        report = reloads.report(number);
      } while (report && report->state != ReloadState::kDone &&
               report->state != ReloadState::kRefused);
      reports_.push_back(report.value_or(ReloadReport()));
    }
    EXPECT_FALSE(reloads.report(99).has_value());
    EXPECT_TRUE(reloads.stop(60'000));
  }

  NewConfiguration now_;
  std::vector<core::Error> errors_;
  std::optional<core::Error> state_error_;
  FakeTarget target_;
  LinesLog log_;
  std::vector<std::string> requests_ = {""};
  std::vector<uint64_t> numbers_;
  std::vector<ReloadReport> reports_;
  std::string checked_;
  int reads_ = 0;
};

TEST_F(ReloadsTest, DoesWhatThePlanSaysAndTellsWhatWaitsForARestart) {
  now_.restart_needed = {"log.level"};
  carry_out();
  EXPECT_EQ(target_.applied, "a unchanged;b started;");
  EXPECT_EQ(checked_, "b;") << "what runs on holds its state itself";
  EXPECT_EQ(reports_[0].state, ReloadState::kDone);
  EXPECT_THAT(log_.lines, HasSubstr("unchanged=1 changed=0 started=1"));
  EXPECT_THAT(log_.lines, HasSubstr("takes effect at the next start. key=log.level"));
}

TEST_F(ReloadsTest, AFileWithErrorsChangesNothing) {
  errors_ = {{"DS-CONFIG-TYPE", "Wrong.", "Mend it.", core::Place{"f.yaml", 3, 7},
              core::ExitCode::kUsage}};
  carry_out();
  EXPECT_EQ(target_.applied, "");
  EXPECT_THAT(log_.lines, HasSubstr("Wrong. place=f.yaml:3:7 code=DS-CONFIG-TYPE hint=Mend it."));
  core::JsonObject report = reload_json(reports_[0]);
  EXPECT_EQ(report->getValue<std::string>("state"), "refused");
  std::vector<core::Error> carried = reload_errors(report);
  ASSERT_EQ(carried.size(), 1u);
  EXPECT_EQ(carried[0].place, errors_[0].place);
  EXPECT_EQ(carried[0].exit_code, core::ExitCode::kUsage);
}

TEST_F(ReloadsTest, AStateThatCannotBeUsedChangesNothing) {
  state_error_ = core::Error{"DS-CHECKPOINT-MISMATCH", "Of another source.", "", std::nullopt,
                             core::ExitCode::kRefused};
  carry_out();
  EXPECT_EQ(target_.applied, "");
  EXPECT_EQ(reload_json(reports_[0])->getValue<int>("exit_code"), 3);
}

TEST_F(ReloadsTest, RequestsThatWaitForTheSameAreOne) {
  requests_ = {"", "b", "", "b"};
  carry_out();
  EXPECT_EQ(numbers_, (std::vector<uint64_t>{1, 2, 1, 2}));
  EXPECT_EQ(reads_, 2);
}

TEST_F(ReloadsTest, APipelineThatNobodyKnowsIsAnError) {
  requests_ = {"c"};
  carry_out();
  EXPECT_EQ(target_.applied, "");
  EXPECT_EQ(reports_[0].errors.at(0).code, "DS-ADMIN-NO-PIPELINE");
}

TEST_F(ReloadsTest, NothingIsStartedWhenTheProcessEnds) {
  target_.closing = true;
  carry_out();
  EXPECT_EQ(reports_[0].errors.at(0).code, "DS-RELOAD-STOPPING");
}

TEST_F(ReloadsTest, NoRequestIsLeftWaitingAtTheEnd) {
  std::promise<void> reading;
  std::promise<void> go_on;
  ReloadSettings settings;
  settings.read = [&]() -> tl::expected<NewConfiguration, std::vector<core::Error>> {
    if (++reads_ == 1) {
      reading.set_value();
      go_on.get_future().wait();
    }
    return now_;
  };
  settings.check_state = [](const core::PipelineSettings&) { return std::nullopt; };
  settings.target = &target_;
  settings.log = &log_;
  Reloads reloads(settings);
  reloads.start();
  reloads.request("");
  reading.get_future().wait();
  const uint64_t waiting = reloads.request("");
  EXPECT_EQ(waiting, 2u) << "what is being read may be older than the request";
  auto stopped = std::async(std::launch::async, [&] { return reloads.stop(60'000); });
  go_on.set_value();
  EXPECT_TRUE(stopped.get());
  EXPECT_NE(reloads.report(waiting)->state, ReloadState::kWaiting);
}

}  // namespace
}  // namespace dstream::host
