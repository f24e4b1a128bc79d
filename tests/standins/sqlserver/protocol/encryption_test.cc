// TLS in PRELOGIN in every combination, seen by FreeTDS; TLS before everything, by a plain client.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/odbc_client.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/raw_client.h"
#include "tests/standins/sqlserver/protocol/server_fixture.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"
#include "tests/standins/sqlserver/protocol/tls.h"

namespace dstream::standin {
namespace {

class EncryptionTest : public ServerFixture {
 protected:
  void start_with(EncryptionPolicy policy) {
    add_number(1);
    add_rows(50'000);
    add_endless();
    ServerOptions options;
    options.encryption = policy;
    start(options);
  }
  bool connect(OdbcClient* client, const std::string& encryption) {
    return client->connect("Server=127.0.0.1;Port=" + std::to_string(server_->port()) +
                           ";UID=sa;PWD=Secret-1;TDS_Version=7.4" + encryption);
  }
  uint64_t encrypted_logins() { return server_->statistics().counters().logins_encrypted; }
};

// What the client asks for, what the server may do, and what must come of it.
struct Combination {
  EncryptionPolicy policy;
  const char* client;
  bool connects;
  bool login_is_encrypted;
};

TEST_F(EncryptionTest, EveryCombinationEndsAsItShould) {
  const char* off = ";Encryption=off";          // FreeTDS cannot or may not
  const char* request = ";Encryption=request";  // its login only
  const char* require = ";Encryption=require";
  const Combination combinations[] = {
      {EncryptionPolicy::kUnsupported, off, true, false},
      {EncryptionPolicy::kUnsupported, request, true, false},
      {EncryptionPolicy::kUnsupported, require, false, false},
      {EncryptionPolicy::kOptional, off, true, false},
      {EncryptionPolicy::kOptional, request, true, true},
      {EncryptionPolicy::kOptional, require, true, true},
      {EncryptionPolicy::kRequired, request, true, true},
      {EncryptionPolicy::kRequired, require, true, true},
  };
  for (const Combination& combination : combinations) {
    SCOPED_TRACE(std::to_string(static_cast<int>(combination.policy)) + combination.client);
    start_with(combination.policy);
    OdbcClient client;
    EXPECT_EQ(connect(&client, combination.client), combination.connects)
        << client.diagnostics_text();
    EXPECT_EQ(encrypted_logins(), combination.login_is_encrypted ? 1u : 0u);
    if (combination.connects) {
      ASSERT_TRUE(client.execute("SELECT 1")) << client.diagnostics_text();
      EXPECT_EQ(client.fetch_all().rows.at(0).at(0), "1");
    }
    client.disconnect();
    server_->stop();
  }
}

TEST_F(EncryptionTest, LargeResultsAndAttentionPassThroughTls) {
  start_with(EncryptionPolicy::kRequired);
  OdbcClient client;
  ASSERT_TRUE(connect(&client, ";Encryption=require")) << client.diagnostics_text();
  ASSERT_TRUE(client.execute("SELECT rows"));
  EXPECT_EQ(client.fetch_all().rows.size(), 50'000u) << client.diagnostics_text();
  client.close_cursor();
  ASSERT_TRUE(client.execute("SELECT endless"));
  ASSERT_TRUE(SQL_SUCCEEDED(SQLFetch(client.statement())));
  client.close_cursor();
  EXPECT_EQ(interrupted_.load(), 1);
  ASSERT_TRUE(client.execute("SELECT 1")) << client.diagnostics_text();
}

TEST_F(EncryptionTest, RequiredEncryptionIsNotToBeSteppedAround) {
  start_with(EncryptionPolicy::kRequired);
  RawClient without_prelogin;
  ASSERT_TRUE(without_prelogin.connect(server_->port()));
  without_prelogin.send(in_packets(kLogin7, LoginBuilder{}.body()));
  EXPECT_TRUE(without_prelogin.drain());
  RawClient plain_after_prelogin;
  ASSERT_TRUE(plain_after_prelogin.connect(server_->port()));
  EXPECT_FALSE(plain_after_prelogin.log_in());
  EXPECT_EQ(server_->statistics().counters().logins, 0u);
}

// A TLS client over a RawClient, for TDS 8.0.
class StrictClient {
 public:
  StrictClient() : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
    const std::string protocols("\x07tds/8.0");
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
  }
  ~StrictClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  StrictClient(const StrictClient&) = delete;
  StrictClient& operator=(const StrictClient&) = delete;

  bool connect(uint16_t port) {
    if (!raw_.connect(port)) {
      return false;
    }
    for (;;) {
      const int result = SSL_do_handshake(ssl_);
      flush();
      if (result == 1) {
        return true;
      }
      if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ || !fill()) {
        return false;
      }
    }
  }
  std::string protocol() const { return SSL_get_version(ssl_); }
  std::string application_protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  // Sends one message and returns the body of the answer's first packet.
  std::string ask(std::string_view packets) {
    SSL_write(ssl_, packets.data(), static_cast<int>(packets.size()));
    flush();
    std::string answer;
    char piece[8192];
    for (;;) {
      const int got = SSL_read(ssl_, piece, sizeof(piece));
      if (got > 0) {
        answer.append(piece, static_cast<size_t>(got));
        if (answer.size() >= 8 &&
            answer.size() >= static_cast<size_t>(static_cast<uint8_t>(answer[2]) << 8 |
                                                 static_cast<uint8_t>(answer[3]))) {
          return answer.substr(8);
        }
      } else if (!fill()) {
        return {};
      }
    }
  }

 private:
  void flush() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    raw_.send({data, static_cast<size_t>(size)});
    static_cast<void>(BIO_reset(out_));
  }
  bool fill() {
    std::string bytes;
    if (!raw_.receive_some(&bytes)) {
      return false;
    }
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    return true;
  }

  RawClient raw_;
  SSL_CTX* context_;
  SSL* ssl_;
  BIO* in_;
  BIO* out_;
};

TEST_F(EncryptionTest, StrictClientsSpeakTlsFirst) {
  start_with(EncryptionPolicy::kOptional);
  StrictClient client;
  ASSERT_TRUE(client.connect(server_->port()));
  EXPECT_EQ(client.protocol(), "TLSv1.3");
  EXPECT_EQ(client.application_protocol(), "tds/8.0");
  const std::string options = from_hex("00 000B 0006 01 0011 0001 FF 090000000000 02");
  const std::string answer = client.ask(in_packets(kPrelogin, options));
  EXPECT_NE(answer.find(from_hex("1000104c0000 02")), std::string::npos) << to_hex(answer);
  LoginBuilder login;
  login.tds_version = kTds80;
  const std::string accepted = client.ask(in_packets(kLogin7, login.body()));
  EXPECT_NE(accepted.find(from_hex("01 08000000")), std::string::npos) << to_hex(accepted);
  EXPECT_EQ(outline(client.ask(RawClient::batch("SELECT 1"))), "COLUMNS ROW*1 DONE(10)");
  EXPECT_EQ(encrypted_logins(), 1u);
}

TEST_F(EncryptionTest, GivenCertificatesAreUsedAndBadOnesRefused) {
  std::string error;
  const auto made = TlsContext::make("", "", &error);
  ASSERT_NE(made, nullptr) << error;
  EXPECT_EQ(made->certificate_pem().substr(0, 27), "-----BEGIN CERTIFICATE-----");
  EXPECT_EQ(TlsContext::make("/nonexistent/cert.pem", "/nonexistent/key.pem", &error), nullptr);
  EXPECT_NE(error.find("Cannot read the TLS certificate /nonexistent/cert.pem"), std::string::npos)
      << error;
  ServerOptions options;
  options.certificate_file = "/nonexistent/cert.pem";
  Server server(&handler_, options);
  EXPECT_FALSE(server.start(&error));
}

TEST_F(EncryptionTest, ServersWithoutTlsRefuseStrictClients) {
  start_with(EncryptionPolicy::kUnsupported);
  StrictClient client;
  EXPECT_FALSE(client.connect(server_->port()));
  EXPECT_EQ(server_->certificate_pem(), "");
}

}  // namespace
}  // namespace dstream::standin
