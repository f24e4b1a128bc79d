// on_oversize: claim_check from the command line: values that are too large go to a container of
// Azure Blob Storage or to a folder, and the consumer of the manual fetches them.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/host/program.h"
#include "tests/standins/blob/blob_container.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/mock_kafka.h"

namespace dstream::end_to_end {
namespace {

using host_test::Folder;
using standin::BlobContainer;
using standin::KafkaRecord;
using std::chrono::seconds;

constexpr seconds kPatience{60};
constexpr int kPatienceMs = 60'000;
constexpr int kRows = 40;
constexpr int kLargeRows = kRows / 2;
constexpr const char* kHeader = "dstream-claim-check";

std::string header_of(const KafkaRecord& record, const std::string& name) {
  for (const auto& [key, value] : record.headers) {
    if (key == name) {
      return value.value_or("");
    }
  }
  return "";
}

std::string json_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    out += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
  }
  return out + "\"";
}

// As `kcat -J` prints them.
std::string as_lines(const std::vector<KafkaRecord>& records) {
  std::ostringstream lines;
  for (const KafkaRecord& record : records) {
    lines << R"({"key":)" << json_string(record.key.value_or("")) << R"(,"payload":)"
          << json_string(record.value.value_or("")) << R"(,"headers":[)";
    for (size_t i = 0; i < record.headers.size(); ++i) {
      lines << (i == 0 ? "" : ",") << json_string(record.headers[i].first) << ","
            << json_string(record.headers[i].second.value_or(""));
    }
    lines << "]}\n";
  }
  return lines.str();
}

class ClaimCheck : public testing::Test {
 protected:
  void SetUp() override { mock_.create_topic("cars", 2); }

  // `source` and `claims` are lines of the file.
  std::string configure(const std::string& source, const std::string& claims) {
    return folder_.write("pipeline.yaml",
                         "name: shop\n" + source +
                             "sink:\n  type: eventhubs\n  brokers: " + mock_.brokers() +
                             "\n  topic: cars\n  message_bytes_max: 2KiB\n  batch_bytes: 2KiB\n"
                             "retry: {backoff_min: 10ms, backoff_max: 50ms}\n"
                             "on_oversize: claim_check\nclaim_check:\n" +
                             claims);
  }
  std::unique_ptr<Child> run(const std::string& config, const std::string& state = "state") {
    return std::make_unique<Child>(
        std::vector<std::string>{DSTREAM_PROGRAM, "run", config, "--plugin-dir", DSTREAM_PLUGIN_DIR,
                                 "--state-dir", folder_.path(state), "--log-format", "logfmt"});
  }
  // What the consumer of the manual makes of the topic: values, in the order of the topic.
  std::vector<std::string> consume(const std::vector<KafkaRecord>& records,
                                   const std::string& environment) {
    const std::string input = folder_.write("messages.jsonl", as_lines(records));
    const std::string output = folder_.path("whole.jsonl");
    const std::string command =
        environment + " python3 " + DSTREAM_FETCH_CLAIMS + " < " + input + " > " + output;
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::vector<std::string> values;
    std::ifstream file(output);
    for (std::string line; std::getline(file, line);) {
      values.push_back(host_test::parse_json(line)->getValue<std::string>("payload"));
    }
    return values;
  }

  Folder folder_;
  standin::MockKafka mock_;
};

class ClaimCheckToBlob : public ClaimCheck {
 protected:
  void SetUp() override {
    ClaimCheck::SetUp();
    ASSERT_EQ(std::system((DSTREAM_MAKE_CERTS " " + certs()).c_str()), 0);
    container_ = std::make_unique<BlobContainer>(certs());
    database_ = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "shop", "--password", "secret",
        "--script",
        folder_.write("script.sql",
                      "EXEC sys.sp_cdc_enable_db;\nGO\nCREATE TABLE dbo.Cars (ID int NOT NULL "
                      "PRIMARY KEY, Notes nvarchar(max) NULL);\nGO\nEXEC sys.sp_cdc_enable_table "
                      "N'dbo', N'Cars', NULL;\nGO\n")});
    const auto line = database_->wait_line("listening ", kPatience);
    ASSERT_TRUE(line) << database_->output();
    port_ = std::stoi(line->substr(line->find(':') + 1));
    std::string rows;
    for (int i = 0; i < kRows; ++i) {
      rows += (i == 0 ? "(" : ", (") + std::to_string(i) + ", N'" +
              std::string(i % 2 == 0 ? 5000 + static_cast<size_t>(i) : 10, 'x') + "')";
    }
    SqlClient(port_, "shop").execute("INSERT dbo.Cars VALUES " + rows);
  }
  std::string certs() const { return folder_.path("certs"); }
  std::string source() const {
    return "source:\n  type: sqlserver-cdc\n  connection: sqlserver://sa:secret@127.0.0.1:" +
           std::to_string(port_) +
           "?database=shop&encrypt=no\n  tables: [dbo.Cars]\n  snapshot: never\n";
  }
  void write_sas(const std::string& signature) {
    folder_.write("sas.new", container_->url() + "?" + BlobContainer::sas(signature) + "\n");
    std::filesystem::rename(folder_.path("sas.new"), folder_.path("sas"));
  }
  std::string claims() const {
    return "  container_url: ${file:" + folder_.path("sas") + "}\n  ca_file: " + certs() +
           "/ca.pem\n";
  }

  std::unique_ptr<BlobContainer> container_;
  std::unique_ptr<Child> database_;
  int port_ = 0;
};

TEST_F(ClaimCheckToBlob, NothingIsLostAcrossAKillAndAnExpiredSignature) {
  write_sas(BlobContainer::kFirstSignature);
  const std::string config = configure(source(), claims());
  container_->stall(true);
  std::string said;
  {
    auto host = run(config);
    ASSERT_TRUE(container_->wait_requests(1, kPatienceMs)) << host->output();
    host->signal(SIGKILL);
    host->wait_exit(kPatience);
    said += host->output();
  }
  for (const KafkaRecord& record : standin::read_all(mock_.brokers(), "cars")) {
    EXPECT_EQ(header_of(record, kHeader), "") << "its value is nowhere";
  }
  container_->set_signature(BlobContainer::kSecondSignature);
  container_->stall(false);
  auto host = run(config);
  ASSERT_TRUE(host->wait_line("DS-CLAIM-DENIED", kPatience)) << host->output();
  write_sas(BlobContainer::kSecondSignature);
  ASSERT_TRUE(host->wait_line("claim_check has changed", kPatience)) << host->output();
  ASSERT_TRUE(container_->wait_blobs(kLargeRows, kPatienceMs)) << host->output();
  host->signal(SIGTERM);
  EXPECT_EQ(host->wait_exit(kPatience), 143) << host->output();
  said += host->output();
  // Everything once more, as after a checkpoint that was lost.
  const int puts = container_->puts();
  const int requests = container_->requests();
  auto again = run(config, "other-state");
  ASSERT_TRUE(container_->wait_requests(requests + 1, kPatienceMs));
  again->signal(SIGTERM);
  EXPECT_EQ(again->wait_exit(kPatience), 143) << again->output();
  EXPECT_GT(container_->puts(), puts);
  EXPECT_EQ(container_->blobs().size(), size_t{kLargeRows}) << "stored over themselves";

  const auto records = standin::read_all(mock_.brokers(), "cars");
  std::map<std::string, int> references;
  for (const KafkaRecord& record : records) {
    if (const std::string name = header_of(record, kHeader); !name.empty()) {
      EXPECT_LT(record.value.value_or("").size(), 1024u);
      EXPECT_TRUE(container_->blobs().count(name) == 1) << name;
      ++references[name];
    }
  }
  EXPECT_EQ(references.size(), size_t{kLargeRows});
  std::map<int, size_t> notes;
  const std::vector<std::string> whole =
      consume(records, "SSL_CERT_FILE=" + certs() + "/ca.pem CLAIM_SAS='" +
                           BlobContainer::sas(BlobContainer::kSecondSignature) + "'");
  EXPECT_EQ(whole.size(), records.size());
  for (const std::string& value : whole) {
    const auto row = host_test::parse_json(value)->getObject("after");
    notes[row->getValue<int>("ID")] = row->getValue<std::string>("Notes").size();
  }
  ASSERT_EQ(notes.size(), size_t{kRows});
  for (const auto& [id, size] : notes) {
    EXPECT_EQ(size, id % 2 == 0 ? 5000 + static_cast<size_t>(id) : 10u) << id;
  }
  said += again->output();
  EXPECT_EQ(said.find("Zmlyc3Q"), std::string::npos) << said;
  EXPECT_EQ(said.find("c2Vjb25k"), std::string::npos) << said;
  EXPECT_EQ(said.find("sig="), std::string::npos) << said;
}

TEST_F(ClaimCheckToBlob, AContainerThatIsNotThereStopsThePipeline) {
  write_sas(BlobContainer::kFirstSignature);
  container_->fail_with(404);
  auto host = run(configure(source(), claims()));
  EXPECT_EQ(host->wait_exit(kPatience), 1) << host->output();
  EXPECT_NE(host->output().find("DS-CLAIM-REFUSED"), std::string::npos) << host->output();
  for (const KafkaRecord& record : standin::read_all(mock_.brokers(), "cars")) {
    EXPECT_EQ(header_of(record, kHeader), "");
  }
}

TEST_F(ClaimCheck, AFolderIsWaitedForAndReadByTheConsumerOfTheManual) {
  const std::string values = folder_.path("values");
  auto host = run(configure("source: {type: generator, rows: 50, keys: 50, size: 5000}\n",
                            "  folder: values\n"));
  ASSERT_TRUE(host->wait_line("DS-CLAIM-AWAY", kPatience)) << host->output();
  std::filesystem::create_directory(values);
  EXPECT_EQ(host->wait_exit(kPatience), 0) << host->output();
  const auto records = standin::read_all(mock_.brokers(), "cars");
  ASSERT_EQ(records.size(), 50u);
  for (const std::string& value : consume(records, "")) {
    EXPECT_GT(value.size(), 5000u);
    EXPECT_EQ(host_test::parse_json(value)->getValue<std::string>("op"), "insert");
  }
  const auto stored = std::filesystem::directory_iterator(values + "/shop");
  EXPECT_EQ(std::distance(begin(stored), end(stored)), 50) << "one of each, nothing temporary";
}

}  // namespace
}  // namespace dstream::end_to_end
