// `dstream run`: signals, several pipelines, locks, and what it costs to stand idle.
#include <gmock/gmock.h>
#include <signal.h>

#include <memory>
#include <sstream>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"

namespace dstream::host_test {
namespace {

using end_to_end::Child;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kEndless =
    "pipelines:\n- name: a\n  source: {type: generator, rate: 1000}\n  sink: {type: \"null\"}\n";

class Run : public ::testing::Test {
 protected:
  std::unique_ptr<Child> start(const std::string& config,
                               const std::vector<std::string>& more = {}) {
    std::string file = folder_.write("f.yaml", config);
    std::vector<std::string> command = {
        DSTREAM_PROGRAM, "run",    file,           "--state-dir",          folder_.path("state"),
        "--log-format",  "logfmt", "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR};
    command.insert(command.end(), more.begin(), more.end());
    return std::make_unique<Child>(command);
  }

  uint64_t checkpointed_records(const std::string& pipeline) {
    Ended shown = call({"checkpoint", "show", "--state-dir", folder_.path("state"), "--pipeline",
                        pipeline, "--json"});
    auto list = parse_json(shown.out)->getObject("result")->getArray("checkpoints");
    return list->size() == 1 ? list->getObject(0)->getValue<uint64_t>("records") : 0;
  }

  Folder folder_;
};

// The value of a logfmt field in the last line that has `text`.
std::string field(const std::string& output, const std::string& text, const std::string& name) {
  std::istringstream lines(output);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    size_t at = line.find(" " + name + "=");
    if (line.find(text) != std::string::npos && at != std::string::npos) {
      std::string rest = line.substr(at + name.size() + 2);
      found = rest.substr(0, rest.find(' '));
    }
  }
  return found;
}

TEST_F(Run, EndsWith0WhenAllPipelinesHaveEnded) {
  auto child = start(
      "pipelines:\n"
      "- {name: a, source: {type: generator, rows: 100}, sink: {type: \"null\"}}\n"
      "- {name: b, source: {type: generator, rows: 200}, sink: {type: null-messages}}\n");
  EXPECT_EQ(child->wait_exit(seconds(60)), 0) << child->output();
  EXPECT_EQ(checkpointed_records("a"), 100u);
  EXPECT_EQ(checkpointed_records("b"), 200u);
  EXPECT_THAT(child->output(), HasSubstr("msg=\"All pipelines have ended.\" pipelines=2 failed=0"));
}

TEST_F(Run, DrainsOnSigterm) {
  auto child = start(kEndless, {"--status-interval", "20ms"});
  ASSERT_TRUE(child->wait_line("msg=Status.", seconds(60))) << child->output();
  child->signal(SIGTERM);
  EXPECT_EQ(child->wait_exit(seconds(60)), 143) << child->output();
  std::string delivered = field(child->output(), "Final status.", "delivered");
  EXPECT_EQ(field(child->output(), "Final status.", "read"), delivered);
  EXPECT_EQ(std::to_string(checkpointed_records("a")), delivered);
  EXPECT_THAT(child->output(), HasSubstr("signal=SIGTERM"));
}

TEST_F(Run, DrainsOnSigint) {
  auto child = start(kEndless);
  ASSERT_TRUE(child->wait_line("is running", seconds(60))) << child->output();
  child->signal(SIGINT);
  EXPECT_EQ(child->wait_exit(seconds(60)), 130) << child->output();
}

TEST_F(Run, ASecondSignalStopsAtOnceThoughAPluginHangs) {
  auto child = start(
      "pipelines:\n- name: a\n  source: {type: leaky, connection: x, fail: hang}\n"
      "  sink: {type: \"null\"}\n  stop_timeout: 1h\n");
  ASSERT_TRUE(child->wait_line("hanging", seconds(60))) << child->output();
  child->signal(SIGTERM);
  ASSERT_TRUE(child->wait_line("Draining", seconds(60))) << child->output();
  child->signal(SIGTERM);
  EXPECT_EQ(child->wait_exit(seconds(30)), 143) << child->output();
  EXPECT_THAT(child->output(), HasSubstr("Stopping at once"));
}

TEST_F(Run, ADrainThatDoesNotEndInTimeIsAFailure) {
  auto child = start(
      "pipelines:\n- name: a\n  source: {type: leaky, connection: x, fail: hang}\n"
      "  sink: {type: \"null\"}\n  stop_timeout: 100ms\n");
  ASSERT_TRUE(child->wait_line("hanging", seconds(60))) << child->output();
  child->signal(SIGTERM);
  EXPECT_EQ(child->wait_exit(seconds(30)), 1) << child->output();
  EXPECT_THAT(child->output(), HasSubstr("DS-STOP-HANGING"));
}

TEST_F(Run, AThirdSignalEndsTheProcess) {
  auto child = start(
      "pipelines:\n- name: a\n  source: {type: leaky, connection: x, fail: hang}\n"
      "  sink: {type: \"null\"}\n  stop_timeout: 1h\n");
  ASSERT_TRUE(child->wait_line("hanging", seconds(60))) << child->output();
  child->signal(SIGTERM);
  ASSERT_TRUE(child->wait_line("Draining", seconds(60)));
  child->signal(SIGINT);
  ASSERT_TRUE(child->wait_line("Stopping at once", seconds(60)));
  child->signal(SIGINT);
  EXPECT_EQ(child->wait_exit(seconds(30)), 143) << child->output();
}

TEST_F(Run, AFailedPipelineLeavesTheOthersRunning) {
  auto child = start(
      "pipelines:\n"
      "- {name: bad, source: {type: leaky, connection: xyzzy, fail: open}, sink: {type: "
      "\"null\"}}\n"
      "- {name: good, source: {type: generator, rate: 1000}, sink: {type: \"null\"}}\n",
      {"--status-interval", "20ms"});
  ASSERT_TRUE(child->wait_line("The other pipelines go on.", seconds(60))) << child->output();
  ASSERT_TRUE(child->wait_line("pipeline=good state=running", seconds(60))) << child->output();
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (checkpointed_records("good") == 0 && std::chrono::steady_clock::now() < deadline) {
    ASSERT_FALSE(child->wait_exit(std::chrono::milliseconds(5))) << child->output();
  }
  EXPECT_GT(checkpointed_records("good"), 0u);
  child->signal(SIGTERM);
  EXPECT_EQ(child->wait_exit(seconds(60)), 1) << child->output();
  EXPECT_THAT(child->output(), HasSubstr("pipelines=2 failed=1 exit_code=1"));
  EXPECT_THAT(child->output(), Not(HasSubstr("xyzzy")));
}

TEST_F(Run, RefusesASecondOwner) {
  auto first = start(kEndless);
  ASSERT_TRUE(first->wait_line("is running", seconds(60))) << first->output();
  Ended second = call({"run", folder_.path("f.yaml"), "--state-dir", folder_.path("state")});
  EXPECT_EQ(second.exit_code, 3) << second.err;
  EXPECT_THAT(second.err, HasSubstr("DS-STATE-LOCKED"));
  Ended json = call({"run", folder_.path("f.yaml"), "--state-dir", folder_.path("state"), "--json",
                     "--log-level", "error"});
  EXPECT_EQ(json.exit_code, 3);
  EXPECT_EQ(parse_json(json.out)->getObject("error")->getValue<std::string>("code"),
            "DS-STATE-LOCKED");
  first->signal(SIGTERM);
  EXPECT_EQ(first->wait_exit(seconds(60)), 143);
}

TEST_F(Run, RefusesADamagedCheckpoint) {
  auto first = start(
      "pipelines:\n- {name: a, source: {type: generator, rows: 5}, sink: {type: \"null\"}}\n");
  ASSERT_EQ(first->wait_exit(seconds(60)), 0) << first->output();
  std::string file = folder_.path("state/a.checkpoint");
  std::string content = read_file(file);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  std::ofstream(file, std::ios::binary) << content;
  Ended again = call({"run", folder_.path("f.yaml"), "--state-dir", folder_.path("state")});
  EXPECT_EQ(again.exit_code, 3) << again.err;
  EXPECT_THAT(again.err, HasSubstr("DS-CHECKPOINT-"));
}

TEST_F(Run, KeepsStateForItsOwnerAlone) {
  ASSERT_EQ(start("pipelines:\n- {name: a, source: {type: generator, rows: 5}, "
                  "sink: {type: \"null\"}}\n")
                ->wait_exit(seconds(60)),
            0);
  auto mode = [](const std::string& path) {
    return static_cast<int>(std::filesystem::status(path).permissions()) & 077;
  };
  EXPECT_EQ(mode(folder_.path("state")), 0);
  EXPECT_EQ(mode(folder_.path("state/a.checkpoint")), 0);
}

TEST_F(Run, IdlesInLittleMemory) {
  auto child = start(
      "pipelines:\n- {name: a, source: {type: generator, rate: 0.01}, sink: {type: \"null\"}}\n",
      {"--status-interval", "20ms"});
  ASSERT_TRUE(child->wait_line("state=running", seconds(60))) << child->output();
  std::string status = read_file("/proc/" + std::to_string(child->pid()) + "/status");
  int64_t resident_kib = std::stoll(status.substr(status.find("VmRSS:") + 6));
  std::string checked = field(child->output(), "DStream starts.", "checked_in_ms");
  RecordProperty("resident_kib", std::to_string(resident_kib));
  std::printf("idle: %lld KiB resident, checked in %s ms\n", static_cast<long long>(resident_kib),
              checked.c_str());
  if (!kSanitized) {
    EXPECT_LT(resident_kib, 20 * 1024);
  }
  child->signal(SIGTERM);
  EXPECT_EQ(child->wait_exit(seconds(60)), 143);
}

}  // namespace
}  // namespace dstream::host_test
