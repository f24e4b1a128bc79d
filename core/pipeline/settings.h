// One pipeline as the configuration describes it, checked and with every default filled in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/claims/claim_target.h"
#include "core/messages/encoder.h"
#include "core/messages/oversize.h"

namespace dstream::core {

enum class Role { kSource = 0, kSink = 1 };

// A connector's config_json as the files behind its secrets are now; an error if one cannot be read
// or used. [any-thread]
using RereadConfig = std::function<Result<std::string>(const std::string& pipeline, Role role)>;

// The same of a pipeline's claim_check. [any-thread]
using RereadClaimCheck = std::function<Result<ClaimCheckSettings>(const std::string& pipeline)>;

// And of its schema registry. [any-thread]
using RereadRegistry = std::function<Result<RegistrySettings>(const std::string& pipeline)>;

// Where the secrets of one reading of the configuration are read again; each may be empty: they
// stay as they were at the start.
struct Rereads {
  RereadConfig connector;
  RereadClaimCheck claim_check;
  RereadRegistry registry;
};

struct ConnectorSettings {
  std::string type;         // a connector id: "sqlserver-cdc"
  std::string config_json;  // for create(): valid, defaults filled in, secrets resolved (I11)
  std::optional<Place> place;

  bool operator==(const ConnectorSettings&) const = default;
};

enum class OnReject { kStop, kDeadLetter };
// No dead letter file may be begun any more. kWait: what is rejected is kept, and with it the
// position, until files have been taken away.
enum class OnDeadLettersFull { kStop, kWait };
// kResnapshot: the source copies anew what changes were lost from; stop where it cannot.
enum class OnDataLoss { kStop, kContinue, kResnapshot };

struct RetrySettings {
  int64_t backoff_min_ms = 100;
  int64_t backoff_max_ms = 30'000;
  int64_t max_elapsed_ms = 0;          // 0: without limit
  int64_t denied_for_ms = 5 * 60'000;  // how long DENIED is retried: keys rotate

  bool operator==(const RetrySettings&) const = default;
};

struct DeadLetterSettings {
  // Where they go first; what that sink refuses, and everything without one, goes to the files.
  std::optional<ConnectorSettings> sink;
  std::string topic;  // template, for `sink`
  // A file that would grow beyond it is put aside and another one is begun; a line that is larger
  // has a file to itself. 64 KiB .. 64 GiB.
  uint64_t file_bytes_max = 64ull * 1024 * 1024;
  uint32_t files_max = 16;  // the one that is written included; 1 .. 100,000
  OnDeadLettersFull on_full = OnDeadLettersFull::kStop;

  bool operator==(const DeadLetterSettings&) const = default;
};

struct PipelineSettings {
  std::string name;  // [a-z0-9][a-z0-9._-]{0,62}: also a file name in the state folder
  std::optional<Place> place;
  ConnectorSettings source;
  ConnectorSettings sink;
  MessageSettings messages;
  // The whole pipeline's memory: queue, deliveries in flight, encodings (I6). 1 MiB .. 64 GiB.
  uint64_t queue_max_bytes = 64ull * 1024 * 1024;
  uint32_t batch_max_records = 1000;  // asked of read(); 1 .. 100,000
  int64_t checkpoint_interval_ms = 500;
  int64_t stop_timeout_ms = 30'000;  // drain deadline (I10)
  RetrySettings retry;
  // The sink keeps the position and commits it together with what it belongs to.
  bool exactly_once = false;
  OnReject on_reject = OnReject::kStop;
  OnOversize on_oversize = OnOversize::kOnReject;
  ClaimCheckSettings claim_check;  // of OnOversize::kClaimCheck
  DeadLetterSettings dead_letter;
  OnDataLoss on_data_loss = OnDataLoss::kStop;

  // Places count; a comparison of what is configured leaves them out first.
  bool operator==(const PipelineSettings&) const = default;
};

}  // namespace dstream::core
