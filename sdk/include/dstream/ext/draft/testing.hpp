// Drives the draft extensions of a connector in a unit test, through its C table.
//
//   SourceDriver source(connector, host);
//   std::string json = testing::status_json(source);            // "" if it cannot tell now
//   EXPECT_EQ(testing::request_snapshot(source, "dbo.Orders"), DSTREAM_OK);
//   for (const CheckLine& check : testing::run_checks(source)) ...
//   testing::reconfigure(source, R"({"password":"new"})");
//   Transactions transactions(sink);                            // use() is called
//   sink.open(); transactions.committed(); transactions.begin(); transactions.commit("1", wait);
//
// As with the drivers, an error throws CallFailed and a breach of the contract ContractBroken; an
// extension that is not offered throws std::invalid_argument. Ask offers() first.
//
// Thread rule: as the extension says; run_checks() and reconfigure() need a driver that is not
// open.
#pragma once

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "dstream/ext/draft/checks.h"
#include "dstream/ext/draft/data_loss.h"
#include "dstream/ext/draft/reconfigure.h"
#include "dstream/ext/draft/snapshot.h"
#include "dstream/ext/draft/status.h"
#include "dstream/ext/draft/transactions.h"
#include "dstream/testing/drivers.hpp"
#include "dstream/testing/json.hpp"

namespace dstream::testing {

// `Driver` is SourceDriver or SinkDriver.
template <class Driver>
bool offers(const Driver& driver, const char* id) {
  return driver.extension(id) != nullptr;
}

namespace detail {

template <class Table, class Driver>
const Table& table(const Driver& driver, const char* id) {
  const void* found = driver.extension(id);
  if (found == nullptr) throw std::invalid_argument(std::string("it does not offer ") + id);
  return *static_cast<const Table*>(found);
}

}  // namespace detail

// An error throws CallFailed, CONFIG included.
template <class Driver>
void reconfigure(const Driver& driver, const std::string& config) {
  const auto& table = detail::table<dstream_reconfigure>(driver, DSTREAM_EXT_RECONFIGURE);
  dstream_error error = detail::fresh_error();
  dstream_status came = table.reconfigure(driver.self(), config.c_str(), &error);
  detail::checked("reconfigure", came, error, {DSTREAM_OK});
}

// What the pipeline's `on_data_loss` says. Throws CallFailed if it is refused.
inline void set_data_loss_policy(const SourceDriver& driver, dstream_data_loss_policy policy) {
  const auto& data_loss = detail::table<dstream_data_loss>(driver, DSTREAM_EXT_DATA_LOSS);
  dstream_error error = detail::fresh_error();
  detail::checked("data_loss", data_loss.set_policy(driver.self(), policy, &error), error,
                  {DSTREAM_OK});
}

template <class Driver>
std::string status_json(const Driver& driver) {
  const auto& status = detail::table<dstream_instance_status>(driver, DSTREAM_EXT_STATUS);
  std::string buffer(DSTREAM_MAX_STATUS, '\0');
  uint32_t size = 0;
  dstream_error error = detail::fresh_error();
  dstream_status came = status.get(driver.self(), buffer.data(), DSTREAM_MAX_STATUS, &size, &error);
  detail::checked("status", came, error, {DSTREAM_OK, DSTREAM_AGAIN});
  if (came == DSTREAM_AGAIN) return {};
  detail::require(size <= DSTREAM_MAX_STATUS, "status", "it says more than the buffer holds");
  buffer.resize(size);
  try {
    detail::require(std::holds_alternative<Container>(read_json(buffer).at("")) &&
                        buffer[buffer.find_first_not_of(" \t\r\n")] == '{',
                    "status", "it is a JSON object");
  } catch (const std::invalid_argument& bad) {
    detail::require(false, "status", std::string("it is a JSON object: ") + bad.what());
  }
  return buffer;
}

// OK or AGAIN.
inline dstream_status request_snapshot(const SourceDriver& driver, const std::string& table) {
  const auto& snapshot = detail::table<dstream_snapshot>(driver, DSTREAM_EXT_SNAPSHOT);
  dstream_error error = detail::fresh_error();
  return detail::checked("snapshot", snapshot.request(driver.self(), table.c_str(), &error), error,
                         {DSTREAM_OK, DSTREAM_AGAIN});
}

struct CheckLine {
  dstream_check_result result = DSTREAM_CHECK_FAILED;
  std::string id;
  std::string subject;
  std::string sentence;
  std::string mend;
};

// `position` is what a pipeline has stored, for a source that offers dstream.checks/2.
template <class Driver>
std::vector<CheckLine> run_checks(const Driver& driver, Millis max_wait = Millis(10'000),
                                  std::string_view position = {}) {
  struct Collected {
    std::vector<CheckLine> lines;
    std::thread::id thread = std::this_thread::get_id();
    bool other_thread = false;
  } collected;
  auto emit = [](void* context, const dstream_check* check) noexcept {
    auto text = [](const char* each) { return std::string(each != nullptr ? each : ""); };
    auto& out = *static_cast<Collected*>(context);
    out.other_thread |= std::this_thread::get_id() != out.thread;
    out.lines.push_back({check->result, text(check->id), text(check->subject),
                         text(check->sentence), text(check->mend)});
  };
  const auto& checks = detail::table<dstream_checks>(driver, DSTREAM_EXT_CHECKS);
  dstream_error error = detail::fresh_error();
  const auto wait_ms = static_cast<uint32_t>(max_wait.count());
  dstream_status came;
  if (const void* newer = driver.extension(DSTREAM_EXT_CHECKS_2)) {
    dstream_checks_request request{};
    request.struct_size = sizeof request;
    request.max_wait_ms = wait_ms;
    request.position = {reinterpret_cast<const uint8_t*>(position.data()), position.size()};
    came = static_cast<const dstream_checks_2*>(newer)->run(driver.self(), &request, emit,
                                                            &collected, &error);
  } else {
    came = checks.run(driver.self(), wait_ms, emit, &collected, &error);
  }
  detail::checked("checks", came, error, {DSTREAM_OK, DSTREAM_CANCELLED});
  detail::require(!collected.other_thread, "checks", "emit is called from the calling thread");
  for (const CheckLine& line : collected.lines) {
    detail::require(!line.id.empty() && line.id.size() <= 64 &&
                        line.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") ==
                            std::string::npos,
                    "checks", "an id is 1 to 64 of a-z, 0-9, '.', '_', '-': " + line.id);
    detail::require(!line.sentence.empty(), "checks", line.id + " needs a sentence");
    bool bad = line.result == DSTREAM_CHECK_WARNING || line.result == DSTREAM_CHECK_FAILED;
    detail::require(!bad || !line.mend.empty(), "checks", line.id + " says what mends it");
  }
  return collected.lines;
}

// The transactions of a sink's driver, which it borrows.
class Transactions {
 public:
  explicit Transactions(const SinkDriver& driver, const char* pipeline = "test")
      : driver_(driver),
        table_(detail::table<dstream_transactions>(driver, DSTREAM_EXT_TRANSACTIONS)) {
    dstream_error error = detail::fresh_error();
    detail::checked("use", table_.use(driver.self(), pipeline, &error), error, {DSTREAM_OK});
  }

  std::string committed() const {
    std::string buffer(DSTREAM_MAX_CHECKPOINT, '\0');
    uint32_t size = 0;
    dstream_error error = detail::fresh_error();
    dstream_status came =
        table_.committed(driver_.self(), reinterpret_cast<uint8_t*>(buffer.data()),
                         DSTREAM_MAX_CHECKPOINT, &size, &error);
    detail::checked("committed", came, error, {DSTREAM_OK});
    detail::require(size <= DSTREAM_MAX_CHECKPOINT, "committed", "it fits into the buffer");
    buffer.resize(size);
    return buffer;
  }
  void begin() const {
    dstream_error error = detail::fresh_error();
    detail::checked("begin", table_.begin(driver_.self(), &error), error, {DSTREAM_OK});
  }
  // OK or AGAIN.
  dstream_status commit(const std::string& checkpoint, Millis max_wait) const {
    dstream_error error = detail::fresh_error();
    dstream_bytes bytes = {reinterpret_cast<const uint8_t*>(checkpoint.data()), checkpoint.size()};
    dstream_status came =
        table_.commit(driver_.self(), bytes, static_cast<uint32_t>(max_wait.count()), &error);
    return detail::checked("commit", came, error, {DSTREAM_OK, DSTREAM_AGAIN});
  }

 private:
  const SinkDriver& driver_;
  const dstream_transactions& table_;
};

}  // namespace dstream::testing
