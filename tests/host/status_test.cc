// `dstream status` and `dstream snapshot` beside a running `dstream run`.
#include <Poco/JSON/Array.h>
#include <Poco/Net/SocketAddress.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"

namespace dstream::host_test {
namespace {

using end_to_end::Child;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kEndless =
    "pipelines:\n"
    "- {name: fast, source: {type: generator, rate: 1000}, sink: {type: \"null\"}}\n"
    "- {name: people, source: {type: talkative, connection: hunter2}, sink: {type: \"null\"}}\n";

class Status : public ::testing::Test {
 protected:
  std::unique_ptr<Child> start(const std::string& config) {
    std::string file = folder_.write("f.yaml", config);
    return std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_PROGRAM, "run", file, "--state-dir", state_, "--log-format", "logfmt",
        "--status-interval", "20ms", "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  }
  // Until each has said that it runs.
  std::unique_ptr<Child> running(const std::string& config = kEndless) {
    auto child = start(config);
    EXPECT_TRUE(child->wait_line("pipeline=fast state=running", seconds(60))) << child->output();
    EXPECT_TRUE(child->wait_line("pipeline=people state=running", seconds(60))) << child->output();
    return child;
  }
  Ended ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--state-dir", state_});
    return call(arguments);
  }
  std::string error_code(const Ended& ended) {
    return parse_json(ended.out)->getObject("error")->getValue<std::string>("code");
  }
  static void stop(Child& child, int exit_code = 143) {
    child.signal(SIGTERM);
    EXPECT_EQ(child.wait_exit(seconds(60)), exit_code) << child.output();
  }

  Folder folder_;
  std::string state_ = folder_.path("state");
};

TEST_F(Status, TellsHowPipelinesAre) {
  auto child = running();
  Ended text = ask({"status"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("process " + std::to_string(child->pid())));
  EXPECT_THAT(text.out, ::testing::ContainsRegex("fast +running +[0-9]+ "));
  EXPECT_THAT(text.out, ::testing::ContainsRegex("people +running .* 4 s +0/s +0 +0"));
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos) << "no terminal, no colour";

  Ended json = ask({"status", "--json"});
  core::JsonObject result = parse_json(json.out)->getObject("result");
  EXPECT_EQ(result->getObject("process")->getValue<std::string>("state_dir"), state_);
  core::JsonObject fast = result->getArray("pipelines")->getObject(0);
  EXPECT_GT(fast->getValue<uint64_t>("records_delivered"), 0u);
  EXPECT_TRUE(fast->isNull("last_error"));
  core::JsonObject people = result->getArray("pipelines")->getObject(1);
  EXPECT_EQ(people->getObject("source")->getObject("status")->getValue<std::string>("server"),
            "[redacted]");
  stop(*child);
}

TEST_F(Status, ShowsTheChosenPipelines) {
  auto child = running();
  Ended one = ask({"status", "--pipeline", "people", "--json"});
  EXPECT_EQ(parse_json(one.out)->getObject("result")->getArray("pipelines")->size(), 1u);
  Ended none = ask({"status", "--pipeline", "elsewhere", "--json"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(error_code(none), "DS-ADMIN-NO-PIPELINE");
  stop(*child);
}

TEST_F(Status, FindsTheStateFolderInTheFiles) {
  std::string file =
      folder_.write("own.yaml",
                    "state_dir: state\npipelines:\n"
                    "- {name: a, source: {type: generator, rate: 10}, sink: {type: \"null\"}}\n");
  auto child = running();
  Ended found = call({"status", file});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("people"));
  stop(*child);
}

TEST_F(Status, SaysSoWhenAPipelineHasFailed) {
  auto child = start(
      "pipelines:\n"
      "- {name: fast, source: {type: generator, rate: 1000}, sink: {type: \"null\"}}\n"
      "- {name: people, source: {type: talkative, act: fail}, sink: {type: \"null\"}}\n");
  ASSERT_TRUE(child->wait_line("The other pipelines go on.", seconds(60))) << child->output();
  Ended text = ask({"status"});
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_THAT(text.out, HasSubstr("people: DS-SOURCE-FATAL: "));
  EXPECT_THAT(text.out, HasSubstr("Nobody can open this."));
  Ended json = ask({"status", "--json"});
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_TRUE(parse_json(json.out)->getValue<bool>("ok")) << "the question was answered";
  EXPECT_EQ(ask({"status", "--pipeline", "fast"}).exit_code, 0);
  stop(*child, 1);
}

TEST_F(Status, SaysSoWhenNoHostRuns) {
  Ended never = ask({"status"});
  EXPECT_EQ(never.exit_code, 1);
  EXPECT_THAT(never.err, HasSubstr("No DStream runs on the state folder " + state_));
  auto child = running();
  stop(*child);
  EXPECT_EQ(error_code(ask({"status", "--json"})), "DS-ADMIN-NO-HOST");
}

TEST_F(Status, AKilledHostIsGoneAndTheNextOneAnswers) {
  auto killed = running();
  killed->signal(SIGKILL);
  EXPECT_EQ(killed->wait_exit(seconds(60)), 137);
  EXPECT_TRUE(std::filesystem::exists(state_ + "/admin.sock"));
  EXPECT_EQ(error_code(ask({"status", "--json"})), "DS-ADMIN-NO-HOST");
  auto next = running();
  Ended answered = ask({"status"});
  EXPECT_EQ(answered.exit_code, 0) << answered.err;
  EXPECT_THAT(answered.out, HasSubstr("process " + std::to_string(next->pid())));
  stop(*next);
}

TEST_F(Status, WatchesUntilTheHostHasGone) {
  auto child = running();
  Child watch({DSTREAM_PROGRAM, "status", "--watch", "--interval", "10ms", "--json", "--state-dir",
               state_});
  ASSERT_TRUE(watch.wait_line("\"ok\":true", seconds(60))) << watch.output();
  stop(*child);
  EXPECT_EQ(watch.wait_exit(seconds(60)), 1) << watch.output();
  EXPECT_THAT(watch.output(), HasSubstr("DS-ADMIN-NO-HOST"));
}

TEST_F(Status, APluginThatHangsInItHoldsUpNothingElse) {
  auto child = running(
      "pipelines:\n"
      "- {name: fast, source: {type: generator, rate: 1000}, sink: {type: \"null\"}}\n"
      "- {name: people, source: {type: talkative, act: hang in status}, sink: {type: \"null\"}}\n");
  Child asking({DSTREAM_PROGRAM, "status", "--state-dir", state_});
  ASSERT_TRUE(child->wait_line("Asked for its status.", seconds(60))) << child->output();
  stop(*child);
  EXPECT_THAT(child->output(), HasSubstr("pipelines=2 failed=0"));
  EXPECT_THAT(child->output(), HasSubstr("does not come back from a status"));
  EXPECT_EQ(asking.wait_exit(seconds(60)), 1) << asking.output();
}

TEST_F(Status, ASnapshotIsAskedForAndShown) {
  auto child = running();
  Ended taken = ask({"snapshot", "people", "dbo.Orders"});
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_THAT(taken.out, HasSubstr("dbo.Orders will be copied again"));
  EXPECT_THAT(ask({"status"}).out,
              HasSubstr("people: snapshot of dbo.Orders running, 250 of about 1,000 rows (25 %), "
                        "about 1 min left"));
  Ended again = ask({"snapshot", "people", "dbo.Orders", "--json"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_FALSE(parse_json(again.out)->getObject("result")->getValue<bool>("accepted"));
  auto code = [&](const char* pipeline, const char* table) {
    Ended refused = ask({"snapshot", pipeline, table, "--json"});
    EXPECT_EQ(refused.exit_code, 1);
    return error_code(refused);
  };
  EXPECT_EQ(code("people", "dbo.Nothing"), "DS-SNAPSHOT-TABLE");
  EXPECT_EQ(code("people", "dbo.View"), "DS-SNAPSHOT-UNSUPPORTED");
  EXPECT_EQ(code("fast", "dbo.Orders"), "DS-SNAPSHOT-UNSUPPORTED");
  EXPECT_EQ(code("nobody", "dbo.Orders"), "DS-ADMIN-NO-PIPELINE");
  EXPECT_EQ(ask({"snapshot", "a/b", "dbo.Orders"}).exit_code, 2);
  stop(*child);
}

TEST_F(Status, IsServedOverHttpWhereThatIsAskedFor) {
  auto child = running(std::string("admin: {listen: \"127.0.0.1:0\"}\n") + kEndless);
  auto line = child->wait_line("The admin interface listens.", seconds(60));
  ASSERT_TRUE(line.has_value()) << child->output();
  std::string address = line->substr(line->find("address=") + 8);
  auto get = [&](const std::string& path) {
    Poco::Net::SocketAddress parsed(address);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(connection, parsed.addr(), parsed.length()), 0);
    std::string text = "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n";
    EXPECT_EQ(send(connection, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    std::string out;
    char buffer[4096];
    for (ssize_t got = 0; (got = recv(connection, buffer, sizeof buffer, 0)) > 0;) {
      out.append(buffer, static_cast<size_t>(got));
    }
    close(connection);
    return out;
  };
  EXPECT_THAT(get("/health"), HasSubstr("HTTP/1.1 200 "));
  EXPECT_THAT(get("/ready"), HasSubstr("{\"ready\":true,"));
  EXPECT_THAT(get("/metrics"), HasSubstr("dstream_sink_records_total{pipeline=\"fast\"} "));
  EXPECT_THAT(get("/status"), Not(HasSubstr("hunter2")));
  stop(*child);
}

TEST_F(Status, AnAddressThatIsTakenEndsTheStart) {
  auto child = running(std::string("admin: {listen: \"127.0.0.1:0\"}\n") + kEndless);
  auto line = child->wait_line("The admin interface listens.", seconds(60));
  ASSERT_TRUE(line.has_value());
  std::string address = line->substr(line->find("address=") + 8);
  std::string file =
      folder_.write("second.yaml", "admin: {listen: \"" + address + "\"}\n" + kEndless);
  Ended second = call({"run", file, "--state-dir", folder_.path("other"), "--plugin-dir",
                       DSTREAM_TEST_PLUGIN_DIR, "--json"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_EQ(error_code(second), "DS-ADMIN-LISTEN");
  stop(*child);
}

}  // namespace
}  // namespace dstream::host_test
