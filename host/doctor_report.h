// What `dstream doctor` has found: printed check by check, counted, and kept for --json.
//
// Thread rule: one thread at a time.
#pragma once

#include <Poco/JSON/Array.h>

#include <string>

#include "core/config/json_text.h"
#include "core/plugins/guard.h"
#include "host/output.h"

namespace dstream::host {

class DoctorReport {
 public:
  // `output` is borrowed.
  explicit DoctorReport(const Output& output);

  void begin_pipeline(const std::string& name, const std::string& source, const std::string& sink);
  // `side` is "host", "source", "sink" or "dead_letter.sink".
  void add(const std::string& side, const core::InstanceCheck& check);
  // Prints the sum; 1 if a check failed, else 0.
  int finish() const;

 private:
  const Output& output_;
  Poco::JSON::Array::Ptr pipelines_ = new Poco::JSON::Array;
  Poco::JSON::Array::Ptr checks_;  // of the pipeline that was begun last
  int counts_[4] = {};             // by InstanceCheck::Result
};

}  // namespace dstream::host
