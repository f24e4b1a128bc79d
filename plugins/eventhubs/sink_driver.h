// Drives the sink through its C table as the engine does, and checks it the way the engine would:
// every item is settled once, none after close(), none that was not accepted.
//
// Thread rule: one thread; stop() [any-thread].
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dstream/abi.h"

namespace eventhubs {

// A host with nothing behind it: it remembers.
class TestHost {
 public:
  TestHost();
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;

  const dstream_host* raw() const { return &raw_; }
  // As the plugin named it, with its unit.
  double metric(const std::string& name) const;
  // The highest value it ever had.
  double peak(const std::string& name) const;
  // All log lines so far, one a line.
  std::string logged() const;

  struct Settle {
    uint64_t delivery;
    uint32_t first;
    uint32_t count;
    dstream_status result;
    std::string message;
    uint32_t retry_after_ms;
  };
  std::vector<Settle> take_settles();
  // Called for each log line, on the thread that logs. Set before open().
  std::function<void()> on_log;

 private:
  static TestHost& of(const dstream_host* host) { return *static_cast<TestHost*>(host->host_data); }

  dstream_host raw_{};
  mutable std::mutex mutex_;  // guards all below
  std::string log_;
  struct Instrument {
    std::string name;
    uint32_t kind;
  };
  std::vector<Instrument> instruments_;
  std::map<std::string, double> metrics_;
  std::map<std::string, double> peaks_;
  std::vector<Settle> settles_;
};

struct TestMessage {
  std::string topic = "orders";
  std::optional<std::string> key = std::nullopt;
  std::optional<std::string> value = std::nullopt;  // nothing: a tombstone
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
  int64_t timestamp_ns = 0;
  int32_t partition = -1;
};

class SinkDriver {
  enum class Item : uint8_t { kNew, kAccepted, kDelivered, kRejected, kRetry };

 public:
  struct Result {
    dstream_status status = DSTREAM_OK;
    std::string message;
  };

  explicit SinkDriver(const std::string& config);
  ~SinkDriver();
  SinkDriver(const SinkDriver&) = delete;
  SinkDriver& operator=(const SinkDriver&) = delete;

  const Result& created() const { return created_; }
  Result open();
  void close();
  // close() in the middle of it, as the engine does after an error: what is not settled is written
  // again after the next open().
  void abandon_session();
  void stop();
  // What the sink says for `dstream status`.
  std::string status() const;
  TestHost& host() { return host_; }
  const TestHost& host() const { return host_; }

  // Appends to what is to be delivered.
  void add(TestMessage message);
  // key "k<i mod keys>", value "<i>" padded to `value_bytes`, for i in [first, first + count).
  void add_numbered(int first, int count, int keys, size_t value_bytes = 16);

  // Writes and polls until everything is settled for good, a call fails for good, or the time is
  // over. RETRY is answered as the engine does: close, open, and from the lowest unsettled item.
  Result run(int timeout_ms = 30'000);
  // One turn of run(): at most one write and one poll of `wait_ms`.
  Result turn(uint32_t wait_ms);
  Result flush(uint32_t wait_ms);

  // Of all messages added: delivered, rejected, neither.
  size_t delivered() const { return counts_[static_cast<size_t>(Item::kDelivered)]; }
  size_t unsettled() const { return items_.size() - delivered() - rejected_.size(); }
  const std::vector<size_t>& rejected() const { return rejected_; }
  const std::string& reject_message() const { return reject_message_; }
  // Accepted by the sink and not settled.
  size_t in_flight() const { return counts_[static_cast<size_t>(Item::kAccepted)]; }
  // The most that ever was: what one failure may bring a second time.
  size_t window() const { return window_; }
  // How often the sink gave items back, or was closed with some under way.
  int rewinds() const { return rewinds_; }
  int sessions() const { return sessions_; }
  const std::string& last_retry() const { return last_retry_; }
  uint32_t last_retry_after_ms() const { return last_retry_after_ms_; }
  // What the sink did that no sink may do; empty if it behaved.
  const std::string& breach() const { return breach_; }
  // RETRY is then only waited for: the sink's own back-off and new producer are seen.
  bool reopen_on_retry = true;
  uint32_t delivery_items_max = 500;

 private:
  // Owns all that its items point to, so that a sanitizer sees a sink that looks at settled ones.
  struct Delivery {
    std::vector<size_t> indexes;  // of the driver's messages
    std::vector<dstream_message> messages;
    std::vector<std::vector<dstream_field>> headers;
    std::string arena;
    uint32_t taken = 0;
    uint32_t settled = 0;
  };

  Result call(dstream_status status) const;
  void set_state(size_t index, Item state);
  Delivery make_delivery();
  void write_some();
  void take_settles();
  void rewind();

  TestHost host_;
  dstream_sink* sink_ = nullptr;
  dstream_error error_{};
  Result created_;
  bool open_ = false;
  int sessions_ = 0;
  int rewinds_ = 0;
  size_t window_ = 0;

  std::vector<TestMessage> messages_;
  std::vector<Item> items_;
  std::array<size_t, 5> counts_{};  // of items_, by state
  std::deque<size_t> todo_;         // to be written in this session, in order
  std::map<std::string, uint32_t> topic_ids_;
  std::map<uint64_t, Delivery> deliveries_;
  uint64_t next_delivery_ = 1;
  uint64_t partly_ = 0;  // a delivery that was taken in part; 0: none
  std::vector<size_t> rejected_;
  std::string reject_message_;
  std::string last_retry_;
  uint32_t last_retry_after_ms_ = 0;
  bool retry_seen_ = false;
  std::string breach_;
};

}  // namespace eventhubs
