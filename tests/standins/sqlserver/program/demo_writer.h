// Changes rows of the demo's tables all the time, so that something is to be seen.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::standin {

// Works on dbo.Persons and dbo.Cars as conf/demo.sql makes them.
//
// Thread rule: construct and destroy by the engine's owner.
class DemoWriter {
 public:
  // `interval_ms` between transactions.
  DemoWriter(sql::Engine* engine, int64_t interval_ms);
  ~DemoWriter();
  DemoWriter(const DemoWriter&) = delete;
  DemoWriter& operator=(const DemoWriter&) = delete;

 private:
  void run();

  sql::Engine* const engine_;
  const int64_t interval_ms_;
  std::mutex mutex_;  // guards is_stopping_
  std::condition_variable wake_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace dstream::standin
