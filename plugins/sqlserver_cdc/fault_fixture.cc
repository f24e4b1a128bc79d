#include "plugins/sqlserver_cdc/fault_fixture.h"

#include <algorithm>
#include <chrono>

#include "plugins/sqlserver_cdc/connection_string.h"

namespace dstream::sqlserver {
namespace {

constexpr std::chrono::seconds kReadingLimit{60};

}  // namespace

void FaultFixture::SetUp() {
  if (is_real()) {
    GTEST_SKIP() << "needs faults";
  }
  SourceFixture::SetUp();
  proxy_ = std::make_unique<PacketProxy>(server_port());
}

void FaultFixture::TearDown() {
  if (proxy_ != nullptr) {
    proxy_->spoil({});  // nobody waits for a connection that is silent
  }
  SourceFixture::TearDown();
  proxy_.reset();
}

bool FaultFixture::uses_microsoft_driver() {
  const std::vector<Driver> drivers = installed_drivers();
  return std::any_of(drivers.begin(), drivers.end(),
                     [](const Driver& driver) { return driver.kind == DriverKind::kMicrosoft; });
}

std::string FaultFixture::proxy_url() const {
  std::string text = url();
  const std::string port = ':' + std::to_string(server_port());
  return text.replace(text.find(port), port.size(), ':' + std::to_string(proxy_->port()));
}

void FaultFixture::read_batch_into(Reading& reading, std::string& position, size_t count) {
  const auto wanted = static_cast<uint32_t>(count - reading.seen.size());
  const Batch batch = source().read(wanted, Millis(1000));
  reading.ended = batch.status() == DSTREAM_END;
  for (uint32_t i = 0; i < batch.size(); ++i) {
    if (batch[i].op() != DSTREAM_OP_WATERMARK) {
      reading.seen.push_back(look_at(batch[i]));
    }
  }
  if (batch.size() > 0) {
    position = batch.last_position();
    source().commit(position);
  }
}

Reading FaultFixture::read_all(const std::vector<std::string>& tables, const std::string& options,
                               const std::string& position, size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + kReadingLimit;
  Reading reading;
  std::string at = position;
  make(tables, options, proxy_url());
  bool is_open = false;
  while (reading.seen.size() < count && !reading.ended && reading.problems.empty()) {
    if (std::chrono::steady_clock::now() > deadline) {
      reading.problems.push_back("only " + std::to_string(reading.seen.size()) +
                                 " records arrived");
      break;
    }
    try {
      if (!is_open) {
        source().open(at);
        is_open = true;
      }
      read_batch_into(reading, at, count);
    } catch (const testing_sdk::CallFailed& failure) {
      reading.statuses.push_back(failure.status);
      if (failure.status == DSTREAM_REOPEN || failure.status == DSTREAM_DENIED) {
        ++reading.reopened;
        source().close();
        is_open = false;
      } else if (failure.status == DSTREAM_RETRY) {
        ++reading.retried;
      } else {
        reading.problems.emplace_back(failure.what());
      }
    }
  }
  return reading;
}

}  // namespace dstream::sqlserver
