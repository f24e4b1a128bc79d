// `dstream reload` and SIGHUP beside a running `dstream run`.
#include <Poco/JSON/Array.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
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

const std::string kFast =
    "- {name: fast, source: {type: generator, rate: 1000}, sink: {type: \"null\"}}\n";

class Reload : public ::testing::Test {
 protected:
  void write(const std::string& pipelines, const std::string& before = "") {
    file_ = folder_.write("f.yaml", before + "pipelines:\n" + pipelines);
  }
  std::unique_ptr<Child> start() {
    return std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_PROGRAM, "run", file_, "--state-dir", state_, "--log-format", "logfmt",
        "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  }
  std::unique_ptr<Child> running(const std::vector<std::string>& names = {"fast"}) {
    auto child = start();
    for (const std::string& name : names) {
      EXPECT_TRUE(child->wait_line("pipeline=" + name + " state=running", seconds(60)))
          << child->output();
    }
    return child;
  }
  Ended ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--state-dir", state_});
    return call(arguments);
  }
  // What happened to each pipeline: "changed running".
  std::map<std::string, std::string> reload(const std::vector<std::string>& more = {},
                                            int exit_code = 0) {
    std::vector<std::string> arguments = {"reload", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    last_ = ask(arguments);
    EXPECT_EQ(last_.exit_code, exit_code) << last_.out;
    std::map<std::string, std::string> out;
    auto pipelines = parse_json(last_.out)->getObject("result")->getArray("pipelines");
    for (const core::Json& each : *pipelines) {
      auto one = each.extract<core::JsonObject>();
      out[one->getValue<std::string>("name")] =
          one->getValue<std::string>("action") + " " + one->optValue<std::string>("state", "-");
    }
    return out;
  }
  core::JsonObject refused(int exit_code) {
    last_ = ask({"reload", "--json"});
    EXPECT_EQ(last_.exit_code, exit_code) << last_.out;
    return parse_json(last_.out)->getObject("error");
  }
  uint64_t records(const std::string& pipeline) {
    Ended shown = ask({"checkpoint", "show", "--pipeline", pipeline, "--json"});
    auto list = parse_json(shown.out)->getObject("result")->getArray("checkpoints");
    return list->size() == 1 ? list->getObject(0)->getValue<uint64_t>("records") : 0;
  }
  static void stop(Child& child, int exit_code = 143) {
    child.signal(SIGTERM);
    EXPECT_EQ(child.wait_exit(seconds(60)), exit_code) << child.output();
  }

  Folder folder_;
  std::string file_;
  std::string state_ = folder_.path("state");
  Ended last_;
};

std::string to_file(const std::string& path, const std::string& more = "") {
  return "- {name: copy, source: {type: generator, rate: 5000, size: 20}, sink: {type: file, "
         "path: " +
         path + "}" + more + "}\n";
}

// How often each line stands in a file.
std::map<std::string, int> lines_of(const std::string& path) {
  std::map<std::string, int> out;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) {
    ++out[line.substr(line.find("\"key\""), 60)];
  }
  return out;
}

TEST_F(Reload, AChangedPipelineGoesOnWhereItWasAndTheOthersAreNotTouched) {
  const std::string path = folder_.path("out.jsonl");
  write(kFast + to_file(path));
  auto child = running({"fast", "copy"});
  for (int i = 1; i <= 5; ++i) {
    write(kFast + to_file(path, ", checkpoint: {interval: " + std::to_string(i * 10) + "ms}"));
    auto done = reload();
    EXPECT_EQ(done["fast"], "unchanged running");
    EXPECT_EQ(done["copy"], "changed running");
  }
  stop(*child);
  const auto lines = lines_of(path);
  EXPECT_GT(lines.size(), 0u);
  EXPECT_EQ(lines.size(), records("copy")) << "nothing is lost (I5)";
  for (const auto& [line, times] : lines) {
    EXPECT_EQ(times, 1) << line << ": a clean drain leaves no duplicates (I10)";
  }
  const std::string output = child->output();
  EXPECT_EQ(output.find("pipeline=fast state=running"),
            output.rfind("pipeline=fast state=running"));
  EXPECT_THAT(output, HasSubstr("unchanged=1 changed=1 started=0"));
}

TEST_F(Reload, AFileThatSaysTheSameInOtherWordsChangesNothing) {
  write(kFast);
  auto child = running();
  write(
      "\n# A comment.\n- sink: {type: \"null\"}\n  source: {rate: 1000, type: generator}\n"
      "  name: fast\n  stop_timeout: 30s\n");
  EXPECT_EQ(reload()["fast"], "unchanged running");
  Ended text = ask({"reload"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, ::testing::ContainsRegex("fast +unchanged +running"));
  stop(*child);
}

TEST_F(Reload, ABrokenFileIsRefusedWithItsPlacesAndEverythingRunsOn) {
  write(kFast);
  auto child = running();
  write(
      "- {name: fast, source: {type: generator, rate: 5}, sink: {type: \"null\"}}\n"
      "- {name: new, source: {type: generator, rat: 5}, sink: {type: nul}}\n");
  core::JsonObject error = refused(2);
  EXPECT_EQ(error->getObject("place")->getValue<std::string>("file"), file_);
  EXPECT_EQ(error->getObject("place")->getValue<int>("line"), 3);
  EXPECT_EQ(error->getObject("place")->getValue<int>("column"), 41);
  Ended text = ask({"reload"});
  EXPECT_EQ(text.exit_code, 2);
  EXPECT_THAT(text.err, HasSubstr(file_ + ":3:41:"));
  EXPECT_THAT(text.err, HasSubstr("DS-PLUGIN-UNKNOWN")) << "all errors, not the first";
  EXPECT_TRUE(child->wait_line("place=" + file_ + ":3:41", seconds(60))) << child->output();
  EXPECT_THAT(ask({"status"}).out, Not(HasSubstr("new")));
  EXPECT_THAT(child->output(), Not(HasSubstr("draining")));
  stop(*child);
}

TEST_F(Reload, WhatAConnectorSaysInCreateIsHeardBeforeAnythingIsDone) {
  write(kFast);
  auto child = running();
  write(
      "- {name: fast, source: {type: leaky, connection: abcdef, fail: create}, sink: {type: "
      "\"null\"}}\n");
  EXPECT_THAT(refused(2)->getValue<std::string>("message"), HasSubstr("cannot use"));
  EXPECT_THAT(last_.out, Not(HasSubstr("abcdef"))) << "(I11)";
  EXPECT_THAT(child->output(), Not(HasSubstr("abcdef"))) << "(I11)";
  stop(*child);
}

TEST_F(Reload, PipelinesComeAndGoAndComeBack) {
  const std::string path = folder_.path("out.jsonl");
  write(kFast);
  auto child = running();
  for (int i = 0; i < 3; ++i) {
    write(kFast + to_file(path));
    EXPECT_EQ(reload()["copy"], "started running");
    write(kFast);
    auto done = reload();
    EXPECT_EQ(done["copy"], "stopped stopped");
    EXPECT_EQ(done["fast"], "unchanged running");
    EXPECT_THAT(ask({"status"}).out, Not(HasSubstr("copy")));
  }
  stop(*child);
  for (const auto& [line, times] : lines_of(path)) {
    EXPECT_EQ(times, 1) << line;
  }
}

TEST_F(Reload, OnlyThePipelineThatIsNamed) {
  write(kFast);
  auto child = running();
  write(
      "- {name: fast, source: {type: generator, rate: 10}, sink: {type: \"null\"}}\n"
      "- {name: new, source: {type: generator, rate: 10}, sink: {type: \"null\"}}\n");
  auto done = reload({"new"});
  EXPECT_EQ(done["new"], "started running");
  EXPECT_EQ(done["fast"], "not_asked running");
  EXPECT_EQ(reload({"fast"})["fast"], "changed running");
  Ended nobody = ask({"reload", "nobody", "--json"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.out, HasSubstr("DS-ADMIN-NO-PIPELINE"));
  stop(*child);
}

TEST_F(Reload, ASecretThatHasChangedInItsFileIsAChangeAndStaysOne) {
  folder_.write("secret", "old-secret");
  const std::string pipeline =
      "- {name: leaks, source: {type: leaky, connection: \"${file:" + folder_.path("secret") +
      "}\"}, sink: {type: \"null\"}}\n";
  write(kFast + pipeline);
  auto child = running({"fast", "leaks"});
  EXPECT_EQ(reload()["leaks"], "unchanged running");
  folder_.write("secret", "new-secret");
  auto done = reload();
  EXPECT_EQ(done["leaks"], "changed running");
  EXPECT_EQ(done["fast"], "unchanged running");
  std::filesystem::remove(folder_.path("secret"));
  EXPECT_EQ(refused(2)->getValue<std::string>("code"), "DS-CONFIG-REFERENCE-FILE");
  stop(*child);
  EXPECT_THAT(child->output(), HasSubstr("connecting to [redacted]"));
  EXPECT_THAT(child->output(), Not(HasSubstr("old-secret"))) << "(I11)";
  EXPECT_THAT(child->output(), Not(HasSubstr("new-secret"))) << "(I11)";
}

TEST_F(Reload, AFailedPipelineIsStartedAgainWhetherItsFileHasChangedOrNot) {
  write(kFast + "- {name: people, source: {type: talkative, act: fail}, sink: {type: \"null\"}}\n");
  auto child = start();
  ASSERT_TRUE(child->wait_line("The other pipelines go on.", seconds(60))) << child->output();
  EXPECT_EQ(reload({}, 1)["people"], "started_again failed") << "it fails again";
  EXPECT_THAT(last_.out, HasSubstr("Nobody can open this."));
  write(kFast + "- {name: people, source: {type: talkative}, sink: {type: \"null\"}}\n");
  EXPECT_EQ(reload()["people"], "started_again running");
  stop(*child);
  EXPECT_THAT(child->output(), HasSubstr("pipelines=2 failed=0"));
}

TEST_F(Reload, WhatBelongsToTheProcessWaitsForARestart) {
  write(kFast);
  auto child = running();
  write(kFast, "log: {level: debug}\nadmin: {listen: \"127.0.0.1:0\"}\n");
  reload();
  EXPECT_THAT(last_.out, HasSubstr(R"("restart_needed":["log.level","admin.listen"])"));
  EXPECT_THAT(ask({"reload"}).out, HasSubstr("log.level has changed and takes effect at"));
  stop(*child);
}

TEST_F(Reload, AnotherStateFolderIsRefused) {
  file_ = folder_.write("f.yaml", "state_dir: state\npipelines:\n" + kFast);
  Child child({DSTREAM_PROGRAM, "run", file_, "--log-format", "logfmt"});
  ASSERT_TRUE(child.wait_line("pipeline=fast state=running", seconds(60))) << child.output();
  file_ = folder_.write("f.yaml", "state_dir: elsewhere\npipelines:\n" + kFast);
  EXPECT_EQ(refused(2)->getValue<std::string>("code"), "DS-RELOAD-RESTART");
  stop(child);
}

TEST_F(Reload, APositionOfAnotherSourceIsSeenBeforeAnythingIsDrained) {
  const std::string path = folder_.path("out.jsonl");
  write(to_file(path));
  auto child = running({"copy"});
  while (records("copy") == 0) {
    ASSERT_FALSE(child->wait_exit(std::chrono::milliseconds(5))) << child->output();
  }
  write("- {name: copy, source: {type: talkative}, sink: {type: file, path: " + path + "}}\n");
  EXPECT_EQ(refused(3)->getValue<std::string>("code"), "DS-CHECKPOINT-MISMATCH");
  EXPECT_THAT(child->output(), Not(HasSubstr("draining")));
  stop(*child);
}

TEST_F(Reload, APluginThatHangsKeepsItsStateAndTheOthersGoOn) {
  const std::string hangs =
      "- {name: hangs, source: {type: leaky, connection: abcdef, fail: hang}, "
      "sink: {type: \"null\"}, stop_timeout: 100ms}\n";
  write(kFast + hangs);
  auto child = start();
  ASSERT_TRUE(child->wait_line("hanging", seconds(60))) << child->output();
  write(kFast + hangs + "  # changed\n");
  EXPECT_EQ(reload()["hangs"], "unchanged running");
  write(kFast + ("- {name: hangs, source: {type: leaky, connection: abcdef}, "
                 "sink: {type: \"null\"}}\n"));
  auto done = reload({}, 1);
  EXPECT_EQ(done["hangs"], "changed failed");
  EXPECT_EQ(done["fast"], "unchanged running");
  EXPECT_THAT(last_.out, HasSubstr("DS-RELOAD-HANGING"));
  stop(*child, 1);
}

TEST_F(Reload, SighupReloadsAndIsNoStop) {
  write(kFast);
  auto child = running();
  write(kFast + "- {name: new, source: {type: generator, rate: 10}, sink: {type: \"null\"}}\n");
  child->signal(SIGHUP);
  ASSERT_TRUE(child->wait_line("pipeline=new state=running", seconds(60))) << child->output();
  write("nonsense\n");
  child->signal(SIGHUP);
  ASSERT_TRUE(child->wait_line("The configuration was not read again", seconds(60)))
      << child->output();
  stop(*child);
}

TEST_F(Reload, ATerminalThatGoesAwayStops) {
  write(kFast);
  const std::string log = folder_.path("log");
  int terminal = -1;
  pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid == 0) {
    int file = open(log.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(file, 1);
    dup2(file, 2);
    execl(DSTREAM_PROGRAM, DSTREAM_PROGRAM, "run", file_.c_str(), "--state-dir", state_.c_str(),
          nullptr);
    _exit(127);
  }
  ASSERT_GT(pid, 0);
  while (records("fast") == 0) {
    ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0) << read_file(log);
  }
  close(terminal);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status)) << read_file(log);
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGHUP) << read_file(log);
}

TEST_F(Reload, SaysSoWhenNoHostRuns) {
  Ended nobody = ask({"reload", "--json"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.out, HasSubstr("DS-ADMIN-NO-HOST"));
}

}  // namespace
}  // namespace dstream::host_test
