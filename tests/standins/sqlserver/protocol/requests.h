// What clients send after login, taken apart: batches, procedure calls, transaction requests.
//
// Thread rule: plain values and functions, no shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/tokens.h"
#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin {

// Skips ALL_HEADERS where the dialect has it. False if it does not fit the message.
bool skip_all_headers(ByteReader* reader, const Dialect& dialect);

// The SQL of a batch as UTF-8. False if the message is malformed.
bool read_batch(std::string_view body, const Dialect& dialect, std::string* sql);

struct ProcedureCall {
  std::string name;
  uint16_t number = 0;  // as sent; 0 for a call by name
  std::vector<Parameter> parameters;

  // The name and its text parameters, for logs and for faults to match; cut to `bytes_max`.
  std::string text(size_t bytes_max) const;
};

inline constexpr uint16_t kServerCursorOpen = 2;

// The name of a well-known procedure number; empty for others.
std::string_view procedure_name(uint16_t number);

// Reads every call of a message. False if it is malformed; then *problem is a sentence.
bool read_procedure_calls(std::string_view body, const Dialect& dialect,
                          std::vector<ProcedureCall>* calls, std::string* problem);

enum class TransactionAction : uint16_t {
  kGetDtcAddress = 0,
  kBegin = 5,
  kCommit = 7,
  kRollback = 8,
  kSave = 9,
};

struct TransactionRequest {
  TransactionAction action = TransactionAction::kBegin;
  uint8_t isolation = 0;
  std::string name;          // of the transaction or savepoint
  bool begins_anew = false;  // commit or rollback, then begin with `next_isolation`
  uint8_t next_isolation = 0;
};

bool read_transaction_request(std::string_view body, const Dialect& dialect,
                              TransactionRequest* request);

}  // namespace dstream::standin
