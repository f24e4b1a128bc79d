// The part of a connection before its first statement: PRELOGIN, LOGIN7, and the session.
#include <algorithm>
#include <optional>

#include "tests/standins/sqlserver/protocol/connection.h"

namespace dstream::standin {
namespace {

bool is_cut(const FaultEffects::Outcome& outcome) { return outcome.is_cut; }

}  // namespace

// The next message; false if there is none that may stand here.
bool Connection::read_login_message(RequestMessage* request) {
  switch (reader_.read(request, options_.login_timeout_ms)) {
    case ReadResult::kMessage:
      return true;
    case ReadResult::kClosed:
      return false;
    case ReadResult::kMalformed:
    case ReadResult::kTooLarge:
      break;
  }
  note_malformed();
  return false;
}

// A client may skip PRELOGIN (TDS 7.1) or send it more than once before LOGIN7.
bool Connection::log_in() {
  constexpr int kPreloginsMax = 4;
  if (!start_strict_tls()) {
    return false;
  }
  for (int i = 0; i <= kPreloginsMax; ++i) {
    RequestMessage request;
    if (!read_login_message(&request)) {
      return false;
    }
    if (request.type == kLogin7) {
      return answer_login(request.body);
    }
    if (request.type != kPrelogin || !answer_prelogin(request.body)) {
      break;
    }
    if (encryption_ != EncryptionOption::kNotSupported) {
      return start_wrapped_tls() && read_login_message(&request) && request.type == kLogin7 &&
             answer_login(request.body);
    }
  }
  note_malformed();
  return false;
}

// TDS 8.0: the first byte is that of a TLS record, and everything else happens inside of TLS.
bool Connection::start_strict_tls() {
  constexpr uint8_t kTlsHandshake = 0x16;
  const std::optional<uint8_t> first = transport_.peek(options_.login_timeout_ms);
  if (!first.has_value() || *first != kTlsHandshake || tls_ == nullptr) {
    return first.has_value();
  }
  std::unique_ptr<TlsSession> session = tls_->accept(true);
  char input[16 * 1024];
  for (;;) {
    const std::optional<size_t> got =
        transport_.read(input, sizeof(input), options_.login_timeout_ms);
    if (!got.has_value() || *got == 0) {
      return false;
    }
    std::string output;
    const TlsSession::Step step = session->handshake({input, *got}, &output);
    if (!transport_.write(output) || step == TlsSession::Step::kFailed) {
      return false;
    }
    if (step == TlsSession::Step::kDone) {
      is_strict_ = true;
      return transport_.start_tls(std::move(session), {});
    }
  }
}

// The handshake in PRELOGIN packets; what follows it is TLS without packets around it.
bool Connection::start_wrapped_tls() {
  constexpr int kFlightsMax = 16;
  std::unique_ptr<TlsSession> session = tls_->accept(false);
  for (int i = 0; i < kFlightsMax; ++i) {
    RequestMessage request;
    if (!read_login_message(&request) || request.type != kPrelogin) {
      return false;
    }
    std::string output;
    const TlsSession::Step step = session->handshake(request.body, &output);
    if (!output.empty()) {
      writer_.begin_message(kPrelogin);
      writer_.append(output);
      if (!writer_.end_message()) {
        return false;
      }
    }
    if (step == TlsSession::Step::kDone) {
      return transport_.start_tls(std::move(session), reader_.take_buffered());
    }
    if (step == TlsSession::Step::kFailed) {
      return false;
    }
  }
  return false;
}

bool Connection::answer_prelogin(std::string_view body) {
  PreloginRequest request;
  if (!read_prelogin(body, &request)) {
    return false;
  }
  EncryptionOption answer = EncryptionOption::kNotSupported;
  if (!is_strict_ && tls_ != nullptr) {
    const bool is_required = options_.encryption == EncryptionPolicy::kRequired;
    switch (request.encryption) {
      case EncryptionOption::kOff:
        answer = is_required ? EncryptionOption::kRequired : EncryptionOption::kOff;
        break;
      case EncryptionOption::kOn:
      case EncryptionOption::kRequired:
        answer = EncryptionOption::kOn;
        break;
      case EncryptionOption::kNotSupported:
        answer = is_required ? EncryptionOption::kRequired : EncryptionOption::kNotSupported;
        break;
    }
  }
  encryption_ = answer;
  writer_.begin_message(kServerReply);
  writer_.append(prelogin_answer(request, answer, options_.version));
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
  const bool is_encrypted = transport_.is_encrypted();
  if (!is_encrypted && options_.encryption == EncryptionPolicy::kRequired) {
    note_malformed();
    return false;
  }
  if (encryption_ == EncryptionOption::kOff) {
    // Only the login was to be encrypted; its answer is plain already.
    transport_.stop_tls();
  }
  LoginAnswer answer;
  answer.tds_version = login.tds_version == kTds80 ? kTds80 : std::min(login.tds_version, kTds74);
  answer.packet_size =
      std::min(negotiated_packet_size(login.packet_size), options_.packet_size_max);
  answer.server_name = options_.server_name;
  answer.version = options_.version;
  state_.dialect = dialect_of(answer.tds_version);
  state_.dialect.utf8 = login.asks(Feature::kUtf8Support);
  login.request.session_id = session_id_;
  login.request.tds_version = answer.tds_version;
  login.request.packet_size = answer.packet_size;
  login.request.client_address = client_address_;
  login.request.encrypted = transport_.is_encrypted();

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
  statistics_->update([is_refused, is_encrypted](ServerCounters& counters) {
    ++(is_refused ? counters.logins_refused : counters.logins);
    counters.logins_encrypted += is_encrypted ? 1 : 0;
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
