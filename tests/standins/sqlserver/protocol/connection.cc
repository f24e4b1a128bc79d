#include "tests/standins/sqlserver/protocol/connection.h"

#include <algorithm>

#include "tests/standins/sqlserver/protocol/requests.h"

namespace dstream::standin {
namespace {

constexpr size_t kLoginBytesMax = 128 * 1024;
constexpr size_t kLogTextBytesMax = 16 * 1024;
constexpr int kNoTimeout = -1;

ServerMessage protocol_error(std::string text) {
  ServerMessage message;
  message.number = 8009;
  message.state = 3;
  message.text = std::move(text);
  return message;
}

// The part of a procedure's name that counts call by call: lower case, without schema or brackets.
std::string bare_name(std::string_view name) {
  const size_t dot = name.rfind('.');
  std::string bare(dot == std::string_view::npos ? name : name.substr(dot + 1));
  std::erase_if(bare, [](char c) { return c == '[' || c == ']'; });
  std::transform(bare.begin(), bare.end(), bare.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return bare;
}

}  // namespace

Connection::Connection(int fd, uint16_t session_id, std::string client_address,
                       const ServerOptions& options, const TlsContext* tls, Handler* handler,
                       Statistics* statistics, Faults* faults)
    : options_(options),
      tls_(tls),
      handler_(handler),
      statistics_(statistics),
      faults_(faults),
      session_id_(session_id),
      client_address_(std::move(client_address)),
      transport_(fd),
      reader_(&transport_, kLoginBytesMax),
      writer_(&transport_, session_id),
      effects_(faults, &transport_),
      response_(&state_, &reader_, &writer_, &effects_) {
  state_.server_name = options.server_name;
  state_.null_bitmap_rows = options.null_bitmap_rows;
}

Connection::~Connection() = default;

void Connection::run() {
  if (log_in()) {
    reader_.set_message_bytes_max(options_.request_bytes_max);
    while (serve_request()) {
    }
  }
  note_sent();
  session_.reset();
}

void Connection::note_malformed() {
  statistics_->update([](ServerCounters& counters) { ++counters.malformed; });
}

void Connection::note_sent() {
  const uint64_t sent = transport_.sent_bytes() - sent_bytes_noted_;
  sent_bytes_noted_ += sent;
  statistics_->update([sent](ServerCounters& counters) { counters.sent_bytes += sent; });
}

bool Connection::serve_request() {
  RequestMessage request;
  switch (reader_.read(&request, kNoTimeout)) {
    case ReadResult::kMessage:
      break;
    case ReadResult::kClosed:
      return false;
    case ReadResult::kMalformed:
    case ReadResult::kTooLarge:
      note_malformed();
      return false;
  }
  if (request.type == kAttention) {
    return acknowledge_attention();
  }
  const bool stays = answer_request(request);
  effects_.disarm();
  return stays;
}

// An attention that finds nothing to interrupt is acknowledged all the same.
bool Connection::acknowledge_attention() {
  statistics_->update([](ServerCounters& counters) { ++counters.attentions; });
  statistics_->note_request({0, session_id_, RequestKind::kAttention, 0, {}});
  std::string token;
  append_done(DoneToken::kDone, kDoneAttention, 0, 0, state_.dialect, &token);
  writer_.begin_message(kServerReply);
  writer_.append(token);
  return writer_.end_message();
}

bool Connection::answer_request(const RequestMessage& request) {
  response_.open();
  if (request.ignored) {
    std::string token;
    append_done(DoneToken::kDone, kDoneError, 0, 0, state_.dialect, &token);
    writer_.append(token);
    return response_.close();
  }
  if (request.reset) {
    session_->reset();
    state_.transaction = 0;
    response_.acknowledge_reset();
    statistics_->update([](ServerCounters& counters) { ++counters.resets; });
    statistics_->note_request({0, session_id_, RequestKind::kReset, 0, {}});
  }
  switch (request.type) {
    case kSqlBatch:
      run_batch(request.body);
      break;
    case kRpc:
      run_procedures(request.body);
      break;
    case kTransactionManager:
      run_transaction_request(request.body);
      break;
    case kBulkLoad:
      run_bulk_load(request.body);
      break;
    default:
      note_malformed();
      return false;
  }
  const bool was_interrupted = response_.was_interrupted();
  const uint64_t rows = response_.rows();
  statistics_->update([&](ServerCounters& counters) {
    counters.rows += rows;
    counters.attentions += was_interrupted ? 1 : 0;
  });
  const bool stays = response_.close();
  note_sent();
  return stays;
}

void Connection::refuse(const ServerMessage& message) {
  note_malformed();
  response_.begin(Response::Kind::kBatch, {});
  response_.message(message);
  response_.finish(false);
}

void Connection::run_batch(std::string_view body) {
  std::string sql;
  if (!read_batch(body, state_.dialect, &sql)) {
    refuse(
        protocol_error("The incoming tabular data stream (TDS) protocol stream is incorrect. "
                       "The stream ended unexpectedly."));
    return;
  }
  statistics_->update([](ServerCounters& counters) { ++counters.batches; });
  statistics_->note_request(
      {0, session_id_, RequestKind::kBatch, 0, sql.substr(0, kLogTextBytesMax)});
  effects_.arm(faults_->take(sql, false));
  response_.begin(Response::Kind::kBatch, {});
  if (!response_.is_stopped()) {
    session_->batch(sql, response_);
  }
  response_.finish(false);
}

void Connection::run_procedures(std::string_view body) {
  std::vector<ProcedureCall> calls;
  ServerMessage problem;
  if (!read_procedure_calls(body, state_.dialect, &calls, &problem)) {
    refuse(problem);
    return;
  }
  for (size_t i = 0; i < calls.size() && !response_.is_stopped(); ++i) {
    const ProcedureCall& call = calls[i];
    const bool has_more = i + 1 < calls.size();
    const std::string name = bare_name(call.name);
    statistics_->update([&name](ServerCounters& counters) {
      ++counters.procedures;
      ++counters.procedure_calls[name];
    });
    statistics_->note_request(
        {0, session_id_, RequestKind::kProcedure, call.number, call.text(kLogTextBytesMax)});
    if (!faults_->is_empty()) {
      effects_.arm(faults_->take(call.text(SIZE_MAX), false));
    }
    response_.begin(Response::Kind::kProcedure, call.parameters);
    if (name == "sp_reset_connection") {
      session_->reset();
      state_.transaction = 0;
      response_.return_status(0);
    } else if (!response_.is_stopped()) {
      session_->procedure(call.name, call.parameters, response_);
    }
    response_.finish(has_more);
  }
}

void Connection::run_transaction_request(std::string_view body) {
  TransactionRequest request;
  if (!read_transaction_request(body, state_.dialect, &request)) {
    refuse(
        protocol_error("The incoming tabular data stream (TDS) transaction manager request is "
                       "incorrect or not supported."));
    return;
  }
  statistics_->update([](ServerCounters& counters) { ++counters.transaction_requests; });
  const std::string_view text = transaction_text(request.action);
  statistics_->note_request({0, session_id_, RequestKind::kTransaction, 0, std::string(text)});
  effects_.arm(faults_->take(text, false));
  response_.begin(Response::Kind::kTransaction, {});
  if (!response_.is_stopped()) {
    run_transaction_action(request);
  }
  if (request.begins_anew && !response_.is_stopped()) {
    session_->begin_transaction(request.next_isolation, response_);
  }
  response_.finish(false);
}

void Connection::run_transaction_action(const TransactionRequest& request) {
  switch (request.action) {
    case TransactionAction::kBegin:
      session_->begin_transaction(request.isolation, response_);
      break;
    case TransactionAction::kCommit:
      session_->commit_transaction(response_);
      break;
    case TransactionAction::kRollback:
      session_->rollback_transaction(request.name, response_);
      break;
    case TransactionAction::kSave:
      session_->save_transaction(request.name, response_);
      break;
    case TransactionAction::kGetDtcAddress:
      break;
  }
}

void Connection::run_bulk_load(std::string_view body) {
  BulkMessage rows(body, state_.dialect);
  statistics_->update([](ServerCounters& counters) { ++counters.bulk_loads; });
  statistics_->note_request({0, session_id_, RequestKind::kBulkLoad, 0, {}});
  response_.begin(Response::Kind::kBatch, {});
  if (rows.is_damaged()) {
    response_.message(protocol_error(
        "The incoming tabular data stream (TDS) Bulk Copy Program (bulkcopy) protocol stream is "
        "incorrect."));
  } else if (!response_.is_stopped()) {
    session_->bulk_load(rows, response_);
  }
  response_.finish(false);
}

}  // namespace dstream::standin
