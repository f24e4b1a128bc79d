#include "tests/standins/sqlserver/protocol/response.h"

#include <algorithm>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/row_codec.h"

namespace dstream::standin {
namespace {

// How many bytes of a stream go out between two looks at the socket.
constexpr size_t kCheckBytes = 64 * 1024;
constexpr std::chrono::milliseconds kCheckInterval{1};
constexpr uint8_t kErrorSeverityMin = 11;
constexpr uint8_t kFatalSeverityMin = 20;

std::string_view descriptor_bytes(const uint64_t& descriptor) {
  return {reinterpret_cast<const char*>(&descriptor), sizeof(descriptor)};
}

}  // namespace

Response::Response(ConnectionState* state, PacketReader* reader, PacketWriter* writer,
                   FaultEffects* faults)
    : state_(state), reader_(reader), writer_(writer), faults_(faults) {}

void Response::open() {
  writer_->begin_message(kServerReply);
  rows_ = 0;
  unchecked_bytes_ = 0;
  has_attention_ = is_stopped_ = must_close_ = false;
  last_check_ = std::chrono::steady_clock::now();
}

void Response::begin(Kind kind, std::span<const Parameter> parameters) {
  kind_ = kind;
  outputs_.clear();
  pending_.reset();
  has_error_ = has_return_status_ = false;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].output) {
      outputs_.push_back({static_cast<uint16_t>(i), parameters[i].name});
    }
  }
  apply_fault(faults_->at_start());
}

void Response::apply_fault(const FaultEffects::Outcome& outcome) {
  if (outcome.error != nullptr) {
    message(*outcome.error);
    is_stopped_ = true;
  }
  if (outcome.is_cut) {
    is_stopped_ = must_close_ = true;
  }
}

void Response::finish(bool more_parts) {
  if (has_attention_) {
    return;
  }
  more_parts = more_parts && !is_stopped_;
  scratch_.clear();
  const uint16_t error = has_error_ ? kDoneError : uint16_t{0};
  if (kind_ == Kind::kProcedure) {
    flush_pending(true);
    append_done(DoneToken::kDoneProcedure,
                static_cast<uint16_t>(error | (more_parts ? kDoneMore : 0)), 0xE0, 0,
                state_->dialect, &scratch_);
  } else if (pending_.has_value()) {
    flush_pending(more_parts);
  } else {
    append_done(DoneToken::kDone, static_cast<uint16_t>(error | (more_parts ? kDoneMore : 0)), 0, 0,
                state_->dialect, &scratch_);
  }
  writer_->append(scratch_);
}

bool Response::close() {
  if (has_attention_ && !must_close_) {
    scratch_.clear();
    append_done(DoneToken::kDone, kDoneError, 0, 0, state_->dialect, &scratch_);
    writer_->append(scratch_);
    writer_->end_message();
    // Clients that were interrupted before the first byte wait for a message of its own.
    writer_->begin_message(kServerReply);
    scratch_.clear();
    append_done(DoneToken::kDone, kDoneAttention, 0, 0, state_->dialect, &scratch_);
    writer_->append(scratch_);
  }
  return writer_->end_message() && !must_close_;
}

void Response::acknowledge_reset() {
  scratch_.clear();
  append_environment_bytes(EnvironmentChange::kResetAcknowledged, {}, {}, &scratch_);
  writer_->append(scratch_);
}

void Response::flush_pending(bool more) {
  if (!pending_.has_value()) {
    return;
  }
  std::string token;
  append_done(pending_->token, static_cast<uint16_t>(pending_->status | (more ? kDoneMore : 0)),
              pending_->command, pending_->rows, state_->dialect, &token);
  pending_.reset();
  writer_->append(token);
}

bool Response::put_token(std::string_view token) {
  if (is_stopped_) {
    return false;
  }
  flush_pending(true);
  if (!writer_->append(token)) {
    is_stopped_ = must_close_ = true;
  }
  return !is_stopped_;
}

bool Response::columns(std::span<const ResultColumn> columns) {
  if (is_stopped_) {
    return false;
  }
  form_.begin(columns, state_->dialect, state_->null_bitmap_rows);
  scratch_.clear();
  append_columns(form_.columns(), state_->dialect, &scratch_);
  return put_token(scratch_);
}

// Faults and attention take effect between rows.
bool Response::before_row() {
  if (is_stopped_) {
    return false;
  }
  if (rows_ >= faults_->next_row()) {
    writer_->flush_all();
    apply_fault(faults_->after_rows(rows_));
  }
  if (faults_->row_delay_ms() > 0) {
    writer_->flush_all();
    check_interruption(static_cast<int>(faults_->row_delay_ms()));
  }
  return !is_stopped_;
}

bool Response::put_row(std::string_view token) {
  ++rows_;
  unchecked_bytes_ += token.size();
  if (!writer_->append(token)) {
    is_stopped_ = must_close_ = true;
    return false;
  }
  return unchecked_bytes_ < kCheckBytes || !check_interruption(0);
}

bool Response::encoded_row(std::string_view token) {
  if (!before_row()) {
    return false;
  }
  if (form_.is_plain()) {
    return put_row(token);
  }
  const std::string_view converted = form_.convert(token);
  return converted.empty() ? refuse_row(form_.columns().size()) : put_row(converted);
}

bool Response::row(std::span<const SqlValue> values) {
  if (!before_row()) {
    return false;
  }
  size_t bad_column = 0;
  const std::string_view token = form_.encode(values, &bad_column);
  return token.empty() ? refuse_row(bad_column) : put_row(token);
}

// A row that cannot be sent is an error, never another row.
bool Response::refuse_row(size_t bad_column) {
  const auto columns = form_.columns();
  ServerMessage error;
  error.number = 8115;
  error.state = 2;
  error.text = "Arithmetic overflow error converting expression to the data type of column '" +
               (bad_column < columns.size() ? columns[bad_column].name : "?") + "'.";
  message(error);
  is_stopped_ = true;
  return false;
}

bool Response::message(const ServerMessage& message) {
  scratch_.clear();
  append_message(message, state_->server_name, state_->dialect, &scratch_);
  const bool is_sent = put_token(scratch_);
  if (is_sent && message.severity >= kErrorSeverityMin) {
    has_error_ = true;
  }
  if (is_sent && message.severity >= kFatalSeverityMin) {
    is_stopped_ = must_close_ = true;
  }
  return !is_stopped_;
}

bool Response::database_changed(std::string_view from, std::string_view to) {
  scratch_.clear();
  append_environment_text(EnvironmentChange::kDatabase, to, from, &scratch_);
  ServerMessage changed;
  changed.number = 5701;
  changed.state = 1;
  changed.severity = 0;
  changed.text = "Changed database context to '" + std::string(to) + "'.";
  append_message(changed, state_->server_name, state_->dialect, &scratch_);
  return put_token(scratch_);
}

bool Response::transaction_changed(uint8_t kind) {
  const auto change = static_cast<EnvironmentChange>(kind);
  scratch_.clear();
  if (change == EnvironmentChange::kBegin) {
    state_->transaction = ++state_->last_transaction;
    append_environment_bytes(change, descriptor_bytes(state_->transaction), {}, &scratch_);
  } else {
    append_environment_bytes(change, {}, descriptor_bytes(state_->transaction), &scratch_);
    state_->transaction = 0;
  }
  return put_token(scratch_);
}

bool Response::statement_done(uint16_t command, int64_t rows, bool error) {
  if (is_stopped_) {
    return false;
  }
  flush_pending(true);
  PendingDone done{DoneToken::kDone, 0, command, 0};
  if (kind_ == Kind::kProcedure) {
    done.token = DoneToken::kDoneInProcedure;
  } else if (has_return_status_) {
    done.token = DoneToken::kDoneProcedure;
  }
  if (error || has_error_) {
    done.status = kDoneError;
  } else if (rows >= 0) {
    done.status = kDoneCount;
    done.rows = static_cast<uint64_t>(rows);
  }
  has_error_ = has_return_status_ = false;
  pending_ = done;
  return !writer_->is_broken();
}

bool Response::return_status(int32_t status) {
  has_return_status_ = true;
  scratch_.clear();
  append_return_status(status, &scratch_);
  return put_token(scratch_);
}

// The place of an output parameter in the call: by name, else the first one not yet returned.
uint16_t Response::ordinal_of(const Parameter& parameter) {
  OutputParameter* best = nullptr;
  for (OutputParameter& output : outputs_) {
    if (output.is_returned) {
      continue;
    }
    if (!parameter.name.empty() && output.name == parameter.name) {
      best = &output;
      break;
    }
    best = best == nullptr ? &output : best;
  }
  if (best == nullptr) {
    return 0;
  }
  best->is_returned = true;
  return best->ordinal;
}

bool Response::return_value(const Parameter& parameter) {
  if (is_stopped_) {
    return false;
  }
  scratch_.clear();
  if (!append_return_value(parameter, ordinal_of(parameter), state_->dialect, &scratch_)) {
    ServerMessage error;
    error.number = 8115;
    error.state = 2;
    error.text = "Arithmetic overflow error converting the output parameter '@" + parameter.name +
                 "' to its data type.";
    return message(error);
  }
  return put_token(scratch_);
}

bool Response::order(std::span<const uint16_t> columns) {
  scratch_.clear();
  append_order(columns, &scratch_);
  return put_token(scratch_);
}

bool Response::column_sources(std::span<const std::vector<std::string>> tables,
                              std::span<const ColumnSource> sources) {
  scratch_.clear();
  append_table_names(tables, &scratch_);
  append_column_sources(sources, &scratch_);
  return put_token(scratch_);
}

// True if the response is over: attention, hang-up, or something before.
bool Response::check_interruption(int timeout_ms) {
  unchecked_bytes_ = 0;
  switch (reader_->check_interruption(timeout_ms)) {
    case PacketReader::Interruption::kNone:
      break;
    case PacketReader::Interruption::kAttention:
      has_attention_ = is_stopped_ = true;
      break;
    case PacketReader::Interruption::kClosed:
      is_stopped_ = must_close_ = true;
      break;
  }
  return is_stopped_;
}

bool Response::cancelled() {
  if (is_stopped_) {
    return true;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_check_ < kCheckInterval) {
    return false;
  }
  last_check_ = now;
  return check_interruption(0);
}

bool Response::wait_cancelled(int timeout_ms) {
  if (is_stopped_) {
    return true;
  }
  writer_->flush_complete();
  return check_interruption(timeout_ms);
}

}  // namespace dstream::standin
