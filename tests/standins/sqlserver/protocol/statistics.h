// What a server has seen, for tests to look at and to wait for.
//
// Thread rule: every function is [any-thread].
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace dstream::standin {

struct ServerCounters {
  uint64_t connections_opened = 0;
  uint64_t connections_open = 0;
  // The most at once that no client had closed. Those that are closed and not yet noticed, which
  // connections_open has for a moment, are no part of it.
  uint64_t connections_peak = 0;
  uint64_t connections_refused = 0;  // above connections_max
  uint64_t logins = 0;
  uint64_t logins_refused = 0;
  uint64_t logins_encrypted = 0;  // of both, those whose LOGIN7 came through TLS
  uint64_t batches = 0;
  uint64_t procedures = 0;
  uint64_t transaction_requests = 0;
  uint64_t bulk_loads = 0;
  uint64_t resets = 0;
  uint64_t attentions = 0;
  uint64_t malformed = 0;  // connections ended because the client did not speak TDS
  uint64_t rows = 0;
  uint64_t sent_bytes = 0;
  // Calls by name, lower case, without schema. A client that opens a server cursor shows here as
  // "sp_cursoropen" (procedure number 2), "sp_cursorprepexec" (5) or "sp_cursorprepare" (3).
  std::map<std::string, uint64_t> procedure_calls;

  // Calls that open a server cursor.
  uint64_t server_cursors() const;
};

enum class RequestKind : uint8_t {
  kBatch,
  kProcedure,
  kTransaction,
  kBulkLoad,
  kReset,
  kAttention
};

// One request, as the log keeps it.
struct RequestRecord {
  uint64_t number = 0;  // from 1, over all connections
  uint16_t session_id = 0;
  RequestKind kind = RequestKind::kBatch;
  uint16_t procedure_number = 0;  // as sent; 0 for a call by name
  std::string text;               // the SQL, or the procedure's name and its text
                                  // parameters, or "COMMIT TRANSACTION"
};

class Statistics {
 public:
  explicit Statistics(size_t requests_kept) : requests_kept_(requests_kept) {}

  ServerCounters counters() const;
  // The last requests, oldest first.
  std::vector<RequestRecord> requests() const;
  // Waits until `is_so` holds for the counters; false if that took longer than `limit`.
  bool wait_until(const std::function<bool(const ServerCounters&)>& is_so,
                  std::chrono::milliseconds limit) const;

  // What follows is for connections.
  void update(const std::function<void(ServerCounters&)>& change);
  void note_request(RequestRecord record);

 private:
  const size_t requests_kept_;
  mutable std::mutex mutex_;  // guards all below it
  mutable std::condition_variable changed_;
  ServerCounters counters_;
  std::deque<RequestRecord> requests_;
  uint64_t next_number_ = 1;
};

}  // namespace dstream::standin
