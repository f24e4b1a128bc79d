// TLS as bytes in, bytes out: no sockets. TDS wraps the handshake in its own packets and, for
// clients that encrypt only their login, ends TLS without closing the connection, so that the
// transport must hold the reins.
//
// Thread rule: a TlsContext is immutable after make(). [any-thread]; a TlsSession is used by one
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace dstream::standin {

class TlsSession {
 public:
  virtual ~TlsSession() = default;

  enum class Step {
    kWantsInput,  // send `output`, then come back with the client's answer
    kDone,        // send `output`; application data may follow
    kFailed,      // send `output` (an alert), then close
  };
  // Takes the client's bytes of the handshake and appends ours.
  virtual Step handshake(std::string_view input, std::string* output) = 0;
  // Takes encrypted bytes as they come and appends what they hold, possibly nothing yet. False once
  // the client has closed TLS or the bytes are not TLS.
  virtual bool decrypt(std::string_view input, std::string* plain) = 0;
  virtual bool encrypt(std::string_view plain, std::string* output) = 0;
};

class TlsContext {
 public:
  virtual ~TlsContext() = default;

  // From PEM files, or with a new self-signed certificate for "localhost" if both are empty.
  // nullptr and a sentence in *error if the files cannot be used.
  static std::unique_ptr<TlsContext> make(const std::string& certificate_file,
                                          const std::string& key_file, std::string* error);

  // `strict` is TLS before everything else (TDS 8.0: up to TLS 1.3, ALPN "tds/8.0"); otherwise at
  // most TLS 1.2, because several clients hang when 1.3 is offered inside PRELOGIN.
  virtual std::unique_ptr<TlsSession> accept(bool strict) const = 0;
  // The certificate, for clients that are to trust it.
  virtual std::string certificate_pem() const = 0;
};

}  // namespace dstream::standin
