// How far a sink worker is with the transactions of its sink, under `delivery: exactly_once`.
//
// The sink is the store of the checkpoint then. What it holds is compared as bytes: they name one
// transaction, because the number of records in them grows with each.
//
// Belongs to the sink worker; not thread safe.
#pragma once

#include <cstdint>
#include <string>

#include "core/pipeline/settle_tracker.h"

namespace dstream::core {

struct TransactionState {
  enum class Stage {
    kUnread,     // the session is new: what is committed has to be read
    kNone,       // no transaction
    kOpen,       // items are written into one
    kCommitting  // commit() has been called and has not succeeded
  };

  Stage stage = Stage::kUnread;
  bool started = false;           // the pipeline knows where to begin
  std::string committed;          // the sink's checkpoint, as it said or took it
  std::string committing;         // what commit() was given, until its fate is known
  uint64_t committed_record = 0;  // how many records `committed` covers
  Frontier committing_frontier;   // what `committing` says
  int64_t begun_at_ns = 0;
  int64_t committed_at_ns = 0;
  int64_t commit_again_at_ns = 0;  // commit() said AGAIN
};

}  // namespace dstream::core
