// The part of a connection before its first statement: PRELOGIN, LOGIN7, and the session.
#include <algorithm>

#include "tests/standins/sqlserver/protocol/connection.h"

namespace dstream::standin {
namespace {

bool is_cut(const FaultEffects::Outcome& outcome) { return outcome.is_cut; }

}  // namespace

// A client may skip PRELOGIN (TDS 7.1) or send it more than once before LOGIN7.
bool Connection::log_in() {
  constexpr int kPreloginsMax = 4;
  for (int i = 0; i <= kPreloginsMax; ++i) {
    RequestMessage request;
    switch (reader_.read(&request, options_.login_timeout_ms)) {
      case ReadResult::kMessage:
        break;
      case ReadResult::kClosed:
        return false;
      case ReadResult::kMalformed:
      case ReadResult::kTooLarge:
        note_malformed();
        return false;
    }
    if (request.type == kLogin7) {
      return answer_login(request.body);
    }
    if (request.type != kPrelogin || !answer_prelogin(request.body)) {
      break;
    }
  }
  note_malformed();
  return false;
}

bool Connection::answer_prelogin(std::string_view body) {
  PreloginRequest request;
  if (!read_prelogin(body, &request)) {
    return false;
  }
  writer_.begin_message(kServerReply);
  writer_.append(prelogin_answer(request, EncryptionOption::kNotSupported, options_.version));
  return writer_.end_message();
}

// Faults laid for logins. False if the connection is over.
bool Connection::apply_login_faults(const Login7& login, ServerMessage* refusal) {
  effects_.arm(faults_->take(login.request.user, true));
  const FaultEffects::Outcome outcome = effects_.at_start();
  if (outcome.error != nullptr) {
    *refusal = *outcome.error;
  }
  return !is_cut(outcome);
}

bool Connection::answer_login(std::string_view body) {
  Login7 login;
  if (!read_login7(body, &login)) {
    note_malformed();
    return false;
  }
  LoginAnswer answer;
  answer.tds_version = login.tds_version == kTds80 ? kTds80 : std::min(login.tds_version, kTds74);
  answer.packet_size =
      std::min(negotiated_packet_size(login.packet_size), options_.packet_size_max);
  answer.server_name = options_.server_name;
  answer.version = options_.version;
  state_.dialect = dialect_of(answer.tds_version);
  login.request.session_id = session_id_;
  login.request.tds_version = answer.tds_version;
  login.request.packet_size = answer.packet_size;
  login.request.client_address = client_address_;

  ServerMessage refusal;
  if (!apply_login_faults(login, &refusal)) {
    return false;
  }
  if (refusal.number == 0 && login.integrated) {
    refusal.number = 18452;
    refusal.severity = 14;
    refusal.text =
        "Login failed. The login is from an untrusted domain and cannot be used with "
        "Integrated authentication.";
  }
  if (refusal.number == 0) {
    session_ = handler_->login(login.request, &refusal);
  }
  const bool is_refused = session_ == nullptr;
  statistics_->update([is_refused](ServerCounters& counters) {
    ++(is_refused ? counters.logins_refused : counters.logins);
  });
  writer_.begin_message(kServerReply);
  if (is_refused) {
    writer_.append(login_refused(login, refusal, options_.server_name));
    writer_.end_message();
    return false;
  }
  answer.database = session_->database();
  writer_.append(login_accepted(login, answer));
  const bool is_sent = writer_.end_message();
  writer_.set_packet_size(answer.packet_size);
  effects_.disarm();
  return is_sent;
}

}  // namespace dstream::standin
