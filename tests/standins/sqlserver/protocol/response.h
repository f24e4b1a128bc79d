// The ResponseWriter of a real client: tokens into packets, with attention and faults in between.
//
// A response is one message. A batch or a transaction manager request is one part of it, and so is
// each call of an RPC message; begin() and finish() bracket a part, open() and close() the message.
//
// Thread rule: one thread a connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/protocol/fault_effects.h"
#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/row_form.h"
#include "tests/standins/sqlserver/protocol/tokens.h"

namespace dstream::standin {

// What a connection knows since its login.
struct ConnectionState {
  Dialect dialect;
  std::string server_name;
  bool null_bitmap_rows = false;
  uint64_t transaction = 0;       // the descriptor clients repeat; 0 outside of transactions
  uint64_t last_transaction = 0;  // the last descriptor given out
};

class Response final : public ResponseWriter {
 public:
  enum class Kind : uint8_t { kBatch, kProcedure, kTransaction };

  Response(ConnectionState* state, PacketReader* reader, PacketWriter* writer,
           FaultEffects* faults);

  // Starts the message. Faults are armed before.
  void open();
  void begin(Kind kind, std::span<const Parameter> parameters);
  // Ends a part as its kind demands; `more_parts` follow in the same message.
  void finish(bool more_parts);
  // Ends the message, and acknowledges an attention with a second one. False if the connection is
  // to be closed.
  bool close();

  bool is_stopped() const { return is_stopped_; }
  uint64_t rows() const { return rows_; }
  bool was_interrupted() const { return has_attention_; }

  // ENVCHANGE 18, which a RESETCONNECTION wants first.
  void acknowledge_reset();

  bool columns(std::span<const ResultColumn> columns) override;
  bool row(std::span<const SqlValue> values) override;
  bool encoded_row(std::string_view token) override;
  bool message(const ServerMessage& message) override;
  bool database_changed(std::string_view from, std::string_view to) override;
  bool transaction_changed(uint8_t kind) override;
  bool statement_done(uint16_t command, int64_t rows, bool error) override;
  bool return_status(int32_t status) override;
  bool return_value(const Parameter& parameter) override;
  bool cancelled() override;
  bool wait_cancelled(int timeout_ms) override;
  bool order(std::span<const uint16_t> columns) override;
  bool column_sources(std::span<const std::vector<std::string>> tables,
                      std::span<const ColumnSource> sources) override;

 private:
  struct PendingDone {
    DoneToken token;
    uint16_t status;
    uint16_t command;
    uint64_t rows;
  };
  struct OutputParameter {
    uint16_t ordinal;
    std::string name;
    bool is_returned = false;
  };

  bool put_token(std::string_view token);
  bool put_row(std::string_view token);
  bool refuse_row(size_t bad_column);
  void flush_pending(bool more);
  bool check_interruption(int timeout_ms);
  bool before_row();
  void apply_fault(const FaultEffects::Outcome& outcome);
  uint16_t ordinal_of(const Parameter& parameter);

  ConnectionState* state_;
  PacketReader* reader_;
  PacketWriter* writer_;
  FaultEffects* faults_;

  Kind kind_ = Kind::kBatch;
  RowForm form_;
  std::vector<OutputParameter> outputs_;
  std::optional<PendingDone> pending_;
  bool has_error_ = false;          // an ERROR token no DONE has told of yet
  bool has_return_status_ = false;  // in a batch: the next DONE ends a procedure
  bool has_attention_ = false;
  bool is_stopped_ = false;  // nothing more is taken from the session
  bool must_close_ = false;
  std::string scratch_;

  uint64_t rows_ = 0;  // of the message
  size_t unchecked_bytes_ = 0;
  std::chrono::steady_clock::time_point last_check_;
};

}  // namespace dstream::standin
