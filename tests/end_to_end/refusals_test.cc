// What an operator gets wrong first: the database is down, the password is wrong, Change Data
// Capture is not enabled, the disk is full. Each is said in one line with what to do, retried or
// given up as the design's section 4 has it, and nothing is lost by it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <memory>
#include <sstream>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"

namespace dstream::end_to_end {
namespace {

using host_test::Folder;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr seconds kPatience{60};

// The first line of `output` that holds `text`, or nothing.
std::string line_with(const std::string& output, const std::string& text) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(text) != std::string::npos) {
      return line;
    }
  }
  return {};
}

class Refusals : public ::testing::Test {
 protected:
  std::unique_ptr<Child> start_database(const std::string& script, int port = 0) {
    auto database = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", std::to_string(port), "--database", "shop",
        "--password", "right", "--script", folder_.write("script.sql", script)});
    auto line = database->wait_line("listening ", kPatience);
    EXPECT_TRUE(line) << database->output();
    if (line) {
      size_t colon = line->find(':');
      port_ = std::stoi(line->substr(colon + 1));
    }
    return database;
  }

  std::vector<std::string> host_command(const std::string& config) {
    return {DSTREAM_PROGRAM,
            "run",
            folder_.write("pipelines.yaml", config),
            "--plugin-dir",
            DSTREAM_PLUGIN_DIR,
            "--state-dir",
            folder_.path("state"),
            "--log-format",
            "logfmt"};
  }

  std::unique_ptr<Child> start_host(const std::string& password = "right",
                                    const std::string& database = "shop",
                                    const std::string& table = "dbo.Persons") {
    return std::make_unique<Child>(host_command(
        "pipelines:\n- name: people\n  source:\n    type: sqlserver-cdc\n    connection: "
        "sqlserver://sa:" +
        password + "@127.0.0.1:" + std::to_string(port_) + "?database=" + database +
        "&encrypt=no\n    tables: [" + table + "]\n  sink: {type: 'null'}\n"));
  }

  // The pipeline fails and says why in one line; the host ends with `exit_code`.
  std::string refused(Child& host, int exit_code) {
    EXPECT_EQ(host.wait_exit(kPatience), exit_code) << host.output();
    return line_with(host.output(), "state=failed");
  }

  // The pipeline goes on trying and says why in one line; it can be stopped meanwhile.
  std::string retried(Child& host) {
    auto line = host.wait_line("state=backing_off", kPatience);
    EXPECT_TRUE(line) << host.output();
    host.signal(SIGTERM);
    EXPECT_EQ(host.wait_exit(kPatience), 143) << host.output();
    return line.value_or("");
  }

  Folder folder_;
  int port_ = 0;
};

constexpr const char* kPersons =
    "CREATE TABLE dbo.Persons (ID int NOT NULL PRIMARY KEY, Name nvarchar(50) NULL);\nGO\n";
constexpr const char* kEnableDatabase = "EXEC sys.sp_cdc_enable_db;\nGO\n";
constexpr const char* kEnablePersons =
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Persons', "
    "@role_name = NULL;\nGO\n";

TEST_F(Refusals, WrongPassword) {
  auto database = start_database(kPersons);
  auto host = start_host("wrong");
  EXPECT_THAT(retried(*host),
              AllOf(HasSubstr("code=DS-SOURCE-DENIED"), HasSubstr("Login failed for user 'sa'"),
                    HasSubstr("Check user and password"), HasSubstr("18456")));
  EXPECT_THAT(host->output(), Not(HasSubstr("sa:wrong")));
}

TEST_F(Refusals, AWrongPasswordIsReadAgainFromItsFile) {
  auto database = start_database(std::string(kPersons) + kEnableDatabase + kEnablePersons);
  const std::string file = folder_.write("password", "wrong");
  auto host = start_host("${file:" + file + "}");
  ASSERT_TRUE(host->wait_line("code=DS-SOURCE-DENIED", kPatience)) << host->output();
  folder_.write("password", "right");
  EXPECT_TRUE(host->wait_line("A secret has changed and is used from now on.", kPatience))
      << host->output();
  EXPECT_TRUE(host->wait_line("state=running", kPatience)) << host->output();
  host->signal(SIGTERM);
  EXPECT_EQ(host->wait_exit(kPatience), 143) << host->output();
}

TEST_F(Refusals, UnknownDatabase) {
  auto database = start_database(kPersons);
  auto host = start_host("right", "shoop");
  EXPECT_THAT(retried(*host), AllOf(HasSubstr("code=DS-SOURCE-DENIED"), HasSubstr("4060"),
                                    HasSubstr("Check the database name")));
}

TEST_F(Refusals, DatabaseThatIsDownAndComesUp) {
  const std::string script = std::string(kPersons) + kEnableDatabase + kEnablePersons;
  auto database = start_database(script);
  database->signal(SIGTERM);
  ASSERT_TRUE(database->wait_exit(kPatience));
  auto host = start_host();
  auto line = host->wait_line("state=backing_off", kPatience);
  ASSERT_TRUE(line) << host->output();
  EXPECT_THAT(*line, AllOf(HasSubstr("code=DS-SOURCE-REOPEN"), HasSubstr("Check host and port"),
                           HasSubstr("127.0.0.1:" + std::to_string(port_))));
  database = start_database(script, port_);
  EXPECT_TRUE(host->wait_line("state=running", kPatience)) << host->output();
  host->signal(SIGTERM);
  EXPECT_EQ(host->wait_exit(kPatience), 143) << host->output();
}

TEST_F(Refusals, ChangeDataCaptureNotEnabled) {
  auto database = start_database(kPersons);
  auto host = start_host();
  EXPECT_THAT(refused(*host, 2),
              AllOf(HasSubstr("code=DS-SOURCE-CONFIG"), HasSubstr("EXEC sys.sp_cdc_enable_db")));
}

TEST_F(Refusals, TableNotCaptured) {
  auto database = start_database(std::string(kPersons) + kEnableDatabase);
  auto host = start_host();
  EXPECT_THAT(refused(*host, 2),
              AllOf(HasSubstr("code=DS-SOURCE-CONFIG"), HasSubstr("dbo.Persons is not captured"),
                    HasSubstr("EXEC sys.sp_cdc_enable_table")));
}

TEST_F(Refusals, TableThatIsNotThere) {
  auto database = start_database(std::string(kPersons) + kEnableDatabase);
  auto host = start_host("right", "shop", "dbo.Person");
  EXPECT_THAT(refused(*host, 2),
              AllOf(HasSubstr("code=DS-SOURCE-CONFIG"), HasSubstr("no table dbo.Person")));
}

// The host on a file system of 256 KiB of its own, which the test fills and empties again.
class FullDisk : public Refusals {
 protected:
  void start(const std::string& config) {
    std::filesystem::create_directory(folder_.path("small"));
    std::vector<std::string> command = {"unshare", "--mount"};
    if (geteuid() != 0) {
      command.insert(command.end(), {"--user", "--map-root-user"});
    }
    std::string script = "mount -t tmpfs -o size=256k tmpfs \"$1\" || exit 77; shift; exec \"$@\"";
    command.insert(command.end(), {"sh", "-c", script, "sh", folder_.path("small")});
    std::vector<std::string> host = host_command(config);
    host.insert(host.end(), {"--status-interval", "100ms"});
    *(std::find(host.begin(), host.end(), "--state-dir") + 1) = folder_.path("small") + "/state";
    command.insert(command.end(), host.begin(), host.end());
    host_ = std::make_unique<Child>(command);
    started_ = host_->wait_line("state=running", kPatience).has_value();
  }

  // The small file system as the host sees it.
  std::string small(const std::string& name) const {
    return "/proc/" + std::to_string(host_->pid()) + "/root" + folder_.path("small") + "/" + name;
  }
  void fill() const {
    std::ofstream out(small("filler"));
    const std::string block(1024, 'x');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }

  uint64_t checkpointed_records() const {
    auto shown = host_test::call(
        {"checkpoint", "show", "--state-dir", small("state"), "--pipeline", "people", "--json"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    auto list = host_test::parse_json(shown.out)->getObject("result")->getArray("checkpoints");
    return list->size() == 1 ? list->getObject(0)->getValue<uint64_t>("records") : 0;
  }

  std::unique_ptr<Child> host_;
  bool started_ = false;
};

TEST_F(FullDisk, KeepsTheOldCheckpointUntilThereIsRoomAgain) {
  start(
      "pipelines:\n- name: people\n  source: {type: generator, rate: 2000}\n"
      "  sink: {type: 'null'}\n  checkpoint: {interval: 20ms}\n");
  if (!started_ && host_->wait_exit(kPatience).value_or(0) != 2) {
    GTEST_SKIP() << "no mount namespaces here: " << host_->output();
  }
  ASSERT_TRUE(started_) << host_->output();
  EXPECT_TRUE(host_->wait_line("Status.", kPatience)) << host_->output();
  fill();
  auto line = host_->wait_line("code=DS-CHECKPOINT-WRITE", kPatience);
  ASSERT_TRUE(line) << host_->output();
  EXPECT_THAT(*line, AllOf(HasSubstr("No space left on device"), HasSubstr("Free some space")));
  // What was durable still is; the pipeline goes on, and what it delivers now may come twice (I2).
  const uint64_t before = checkpointed_records();
  EXPECT_GT(before, 0u);
  std::filesystem::remove(small("filler"));
  EXPECT_TRUE(host_->wait_line("msg=\"It works again.\"", kPatience)) << host_->output();
  EXPECT_GT(checkpointed_records(), before);
  host_->signal(SIGTERM);
  EXPECT_EQ(host_->wait_exit(kPatience), 143) << host_->output();
}

}  // namespace
}  // namespace dstream::end_to_end
