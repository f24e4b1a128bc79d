#include "tests/standins/kafka/kafka_broker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/standins/kafka/kafka_client.h"

namespace dstream::standin {
namespace {

constexpr int kFetchTimeoutMs = 300'000;
constexpr int kStartTimeoutMs = 60'000;
constexpr int kStopTimeoutMs = 20'000;
constexpr int kToolTimeoutMs = 60'000;
constexpr int kLookAgainMs = 50;  // Kafka has no way to say that it serves: try its ports

const std::string kScripts = DSTREAM_KAFKA_SCRIPTS;

bool accepts(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

std::string address_of(const PortLease& lease) {
  return "127.0.0.1:" + std::to_string(lease.port());
}

std::string make_folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "dstream-kafka.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error("Cannot make a folder like " + pattern + ".");
  }
  return pattern;
}

std::string end_of_file(const std::string& path, size_t bytes_max = 4000) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::string all = text.str();
  return all.size() <= bytes_max ? all : all.substr(all.size() - bytes_max);
}

}  // namespace

KafkaBroker::KafkaBroker(Options options) : options_(std::move(options)), folder_(make_folder()) {}

KafkaBroker::~KafkaBroker() {
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void KafkaBroker::start() {
  launch();
  wait_until_serving();
}

void KafkaBroker::launch() {
  if (process_ != nullptr && !process_->wait_end(0)) {
    throw std::logic_error("The broker runs already.");
  }
  LeashedProcess fetch({{kScripts + "/fetch-kafka.sh"}, {}, folder_ + "/start.log"});
  if (!fetch.wait_end(kFetchTimeoutMs) || fetch.exit_code() != 0) {
    fail("The broker's jars could not be fetched");
  }
  std::string properties;
  for (const std::string& line : options_.properties) {
    properties += line + "\n";
  }
  process_ = std::make_unique<LeashedProcess>(LeashedProcess::Command{
      {kScripts + "/start-kafka.sh", folder_, std::to_string(plain_port_.port()),
       std::to_string(sasl_port_.port()), std::to_string(controller_port_.port())},
      {{"FOREGROUND", "1"}, {"SECRET", connection_string()}, {"EXTRA", properties}},
      folder_ + "/start.log"});
}

void KafkaBroker::wait_until_serving() {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(kStartTimeoutMs);
  // Kafka opens these ports last, when it is registered and its partitions have leaders.
  while (!accepts(plain_port_.port()) || !accepts(sasl_port_.port())) {
    if (process_->wait_end(kLookAgainMs)) {
      fail("The broker ended while it started");
    }
    if (std::chrono::steady_clock::now() > deadline) {
      fail("The broker did not serve in time");
    }
  }
}

void KafkaBroker::stop() {
  process_->signal(SIGTERM);
  if (!process_->wait_end(kStopTimeoutMs)) {
    kill9();
  }
}

void KafkaBroker::kill9() {
  process_->signal(SIGKILL);
  process_->wait_end(kStopTimeoutMs);
}

void KafkaBroker::pause() { process_->signal(SIGSTOP); }
void KafkaBroker::resume() { process_->signal(SIGCONT); }

std::string KafkaBroker::plaintext() const { return address_of(plain_port_); }
std::string KafkaBroker::sasl_ssl() const { return address_of(sasl_port_); }

std::string KafkaBroker::controller() const { return address_of(controller_port_); }

std::string KafkaBroker::connection_string() const {
  return "Endpoint=sb://" + sasl_ssl() +
         "/;SharedAccessKeyName=dstream;SharedAccessKey=c2VjcmV0+a/b=";
}

void KafkaBroker::create_topic(const std::string& name, int partitions, const Config& config) {
  standin::create_topic(plaintext(), name, partitions, config);
}

void KafkaBroker::run_tool(const std::string& class_name,
                           const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {kScripts + "/kafka-tool.sh", class_name};
  command.insert(command.end(), arguments.begin(), arguments.end());
  LeashedProcess tool({command, {}, folder_ + "/start.log"});
  if (!tool.wait_end(kToolTimeoutMs) || tool.exit_code() != 0) {
    fail(class_name + " failed");
  }
}

void KafkaBroker::fail(const std::string& what) const {
  throw std::runtime_error(what + ":\n" + end_of_file(folder_ + "/start.log") +
                           end_of_file(folder_ + "/kafka.log"));
}

}  // namespace dstream::standin
