#include "tests/standins/sqlserver/protocol/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace dstream::standin {
namespace {

constexpr long kValidSeconds = 10L * 365 * 24 * 3600;
constexpr unsigned char kAlpn[] = "\x07tds/8.0";

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using ContextPointer = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using SslPointer = std::unique_ptr<SSL, Deleter<SSL_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using CertificatePointer = std::unique_ptr<X509, Deleter<X509_free>>;
using BioPointer = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

std::string openssl_reason() {
  char text[256] = "unknown reason";
  const unsigned long code = ERR_get_error();
  if (code != 0) {
    ERR_error_string_n(code, text, sizeof(text));
  }
  ERR_clear_error();
  return text;
}

void take_all(BIO* bio, std::string* out) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  if (size > 0) {
    out->append(data, static_cast<size_t>(size));
  }
  static_cast<void>(BIO_reset(bio));
}

class MemorySession final : public TlsSession {
 public:
  explicit MemorySession(SslPointer ssl)
      : ssl_(std::move(ssl)), incoming_(BIO_new(BIO_s_mem())), outgoing_(BIO_new(BIO_s_mem())) {
    BIO_set_mem_eof_return(incoming_, -1);
    SSL_set_bio(ssl_.get(), incoming_, outgoing_);  // which owns both from here on
    SSL_set_accept_state(ssl_.get());
  }

  Step handshake(std::string_view input, std::string* output) override {
    feed(input);
    const int result = SSL_do_handshake(ssl_.get());
    const int reason = SSL_get_error(ssl_.get(), result);
    take_all(outgoing_, output);
    ERR_clear_error();
    if (result == 1) {
      return Step::kDone;
    }
    return reason == SSL_ERROR_WANT_READ ? Step::kWantsInput : Step::kFailed;
  }

  bool decrypt(std::string_view input, std::string* plain) override {
    feed(input);
    char piece[16 * 1024];
    for (;;) {
      const int got = SSL_read(ssl_.get(), piece, sizeof(piece));
      if (got > 0) {
        plain->append(piece, static_cast<size_t>(got));
        continue;
      }
      const int reason = SSL_get_error(ssl_.get(), got);
      ERR_clear_error();
      // What came before a close is still the client's.
      return reason == SSL_ERROR_WANT_READ || !plain->empty();
    }
  }

  bool encrypt(std::string_view plain, std::string* output) override {
    while (!plain.empty()) {
      constexpr size_t kPieceBytes = size_t{1} << 20;
      const std::string_view piece = plain.substr(0, kPieceBytes);
      if (SSL_write(ssl_.get(), piece.data(), static_cast<int>(piece.size())) <= 0) {
        ERR_clear_error();
        return false;
      }
      plain.remove_prefix(piece.size());
      take_all(outgoing_, output);
    }
    return true;
  }

 private:
  void feed(std::string_view input) {
    if (!input.empty()) {
      BIO_write(incoming_, input.data(), static_cast<int>(input.size()));
    }
  }

  SslPointer ssl_;
  BIO* incoming_;
  BIO* outgoing_;
};

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_bytes, const unsigned char* in,
                unsigned int in_bytes, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kAlpn, sizeof(kAlpn) - 1, in, in_bytes) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

class OpenSslContext final : public TlsContext {
 public:
  bool load(const std::string& certificate_file, const std::string& key_file, std::string* error);
  bool make_self_signed(std::string* error);

  std::unique_ptr<TlsSession> accept(bool strict) const override {
    SslPointer ssl(SSL_new((strict ? strict_ : inside_prelogin_).get()));
    return ssl == nullptr ? nullptr : std::make_unique<MemorySession>(std::move(ssl));
  }

  std::string certificate_pem() const override {
    BioPointer bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), SSL_CTX_get0_certificate(strict_.get()));
    std::string text;
    take_all(bio.get(), &text);
    return text;
  }

 private:
  bool use(X509* certificate, EVP_PKEY* key, std::string* error);

  ContextPointer inside_prelogin_;
  ContextPointer strict_;
};

ContextPointer new_context(int version_max) {
  ContextPointer context(SSL_CTX_new(TLS_server_method()));
  if (context != nullptr) {
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), version_max);
    // A resumed session would end its handshake with the client's bytes instead of ours.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context.get(), 0);
  }
  return context;
}

bool OpenSslContext::use(X509* certificate, EVP_PKEY* key, std::string* error) {
  inside_prelogin_ = new_context(TLS1_2_VERSION);
  strict_ = new_context(TLS1_3_VERSION);
  for (const ContextPointer* context : {&inside_prelogin_, &strict_}) {
    if (*context == nullptr || SSL_CTX_use_certificate(context->get(), certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context->get(), key) != 1) {
      *error = "Cannot use the TLS certificate and key: " + openssl_reason() + ".";
      return false;
    }
  }
  SSL_CTX_set_alpn_select_cb(strict_.get(), select_alpn, nullptr);
  return true;
}

bool OpenSslContext::load(const std::string& certificate_file, const std::string& key_file,
                          std::string* error) {
  BioPointer certificate_bio(BIO_new_file(certificate_file.c_str(), "r"));
  BioPointer key_bio(BIO_new_file(key_file.c_str(), "r"));
  CertificatePointer certificate;
  KeyPointer key;
  if (certificate_bio != nullptr && key_bio != nullptr) {
    certificate.reset(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
    key.reset(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  }
  if (certificate == nullptr || key == nullptr) {
    *error = "Cannot read the TLS certificate " + certificate_file + " and key " + key_file + ": " +
             openssl_reason() + ".";
    return false;
  }
  return use(certificate.get(), key.get(), error);
}

void add_extension(X509* certificate, int id, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

bool OpenSslContext::make_self_signed(std::string* error) {
  const KeyPointer key(EVP_EC_gen("P-256"));
  const CertificatePointer certificate(X509_new());
  if (key == nullptr || certificate == nullptr) {
    *error = "Cannot make a TLS certificate: " + openssl_reason() + ".";
    return false;
  }
  X509* raw = certificate.get();
  X509_set_version(raw, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), 1);
  X509_gmtime_adj(X509_getm_notBefore(raw), -24L * 3600);
  X509_gmtime_adj(X509_getm_notAfter(raw), kValidSeconds);
  X509_set_pubkey(raw, key.get());
  X509_NAME* name = X509_get_subject_name(raw);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(raw, name);
  add_extension(raw, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
  add_extension(raw, NID_basic_constraints, "critical,CA:TRUE");
  if (X509_sign(raw, key.get(), EVP_sha256()) == 0) {
    *error = "Cannot sign a TLS certificate: " + openssl_reason() + ".";
    return false;
  }
  return use(raw, key.get(), error);
}

}  // namespace

std::unique_ptr<TlsContext> TlsContext::make(const std::string& certificate_file,
                                             const std::string& key_file, std::string* error) {
  auto context = std::make_unique<OpenSslContext>();
  const bool is_ready = certificate_file.empty() && key_file.empty()
                            ? context->make_self_signed(error)
                            : context->load(certificate_file, key_file, error);
  return is_ready ? std::move(context) : nullptr;
}

}  // namespace dstream::standin
