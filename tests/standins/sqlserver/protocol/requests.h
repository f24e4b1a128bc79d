// What clients send after login, taken apart: batches, procedure calls, transaction requests,
// bulk loads.
//
// Thread rule: plain values and functions, no shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/protocol/tokens.h"
#include "tests/standins/sqlserver/protocol/values.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

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

// Reads every call of a message. False if it is malformed; then *problem is the error.
bool read_procedure_calls(std::string_view body, const Dialect& dialect,
                          std::vector<ProcedureCall>* calls, ServerMessage* problem);

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

// The statement that asks for the same: "COMMIT TRANSACTION".
std::string_view transaction_text(TransactionAction action);

bool read_transaction_request(std::string_view body, const Dialect& dialect,
                              TransactionRequest* request);

// The rows of a bulk load message. `body` must outlive it.
class BulkMessage final : public BulkRows {
 public:
  BulkMessage(std::string_view body, const Dialect& dialect);

  std::span<const ResultColumn> columns() const override { return columns_; }
  bool next(std::vector<SqlValue>* values) override;
  bool is_damaged() const override { return is_damaged_; }

 private:
  bool read_columns();
  bool read_row(std::vector<SqlValue>* values);

  ByteReader reader_;
  Dialect dialect_;
  std::vector<ResultColumn> columns_;
  std::vector<WireType> wires_;
  bool is_damaged_ = false;
  bool has_ended_ = false;
};

}  // namespace dstream::standin
