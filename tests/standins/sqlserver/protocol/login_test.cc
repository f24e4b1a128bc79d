#include "tests/standins/sqlserver/protocol/login.h"

#include <gtest/gtest.h>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/login_builder.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"

namespace dstream::standin {
namespace {

TEST(Prelogin, AnswersAsClientsWereSeenToAccept) {
  PreloginRequest request;
  EXPECT_EQ(to_hex(prelogin_answer(request, EncryptionOption::kNotSupported, ServerVersion{})),
            "00001a00060100200001020021000103002200000400220001ff1000104c0000020000");
  request.asks_federated = true;
  const std::string answer = prelogin_answer(request, EncryptionOption::kOff, ServerVersion{});
  PreloginRequest back;
  ASSERT_TRUE(read_prelogin(answer, &back));
  EXPECT_TRUE(back.asks_federated);
  EXPECT_EQ(back.encryption, EncryptionOption::kOff);
}

TEST(Prelogin, ReadsWhatClientsSend) {
  PreloginRequest request;
  // FreeTDS with Encryption=require and MARS.
  ASSERT_TRUE(read_prelogin(from_hex("00 001A 0006 01 0020 0001 02 0021 000C 03 002D 0004 04 0031 "
                                     "0001 FF 090000000000 01 4D5353514C53657276657200 "
                                     "00001234 01"),
                            &request));
  EXPECT_TRUE(request.has_encryption);
  EXPECT_EQ(request.encryption, EncryptionOption::kOn);
  EXPECT_TRUE(request.wants_mars);
  EXPECT_FALSE(request.asks_federated);
}

TEST(Prelogin, RefusesOptionsOutsideTheMessage) {
  PreloginRequest request;
  EXPECT_FALSE(read_prelogin("", &request));
  EXPECT_FALSE(read_prelogin(from_hex("01 0006 0001"), &request));
  EXPECT_FALSE(read_prelogin(from_hex("01 0006 0002 FF 00"), &request));
  EXPECT_FALSE(read_prelogin(from_hex("01 FFFF 0001 FF 00"), &request));
}

TEST(Login7, ReadsTextPasswordAndFeatures) {
  LoginBuilder builder;
  builder.user = "sa";
  builder.password = "P\xC3\xA4ss\xF0\x9F\x98\x80";
  builder.database = "testdb";
  builder.application = "tests";
  builder.read_only_intent = true;
  builder.features = from_hex("01 00000000 0A 01000000 01 FF");
  Login7 login;
  ASSERT_TRUE(read_login7(builder.body(), &login));
  EXPECT_EQ(login.request.user, builder.user);
  EXPECT_EQ(login.request.password, builder.password);
  EXPECT_EQ(login.request.database, "testdb");
  EXPECT_EQ(login.request.application, "tests");
  EXPECT_TRUE(login.request.read_only_intent);
  EXPECT_EQ(login.tds_version, kTds74);
  EXPECT_TRUE(login.asks(Feature::kUtf8Support));
  EXPECT_TRUE(login.asks(Feature::kSessionRecovery));
}

TEST(Login7, RefusesWhatLiesOutsideTheMessage) {
  const std::string whole = LoginBuilder{}.body();
  Login7 login;
  ASSERT_TRUE(read_login7(whole, &login));
  for (size_t length = 0; length < whole.size(); ++length) {
    Login7 cut;
    EXPECT_FALSE(read_login7(std::string_view(whole).substr(0, length), &cut)) << length;
  }
  LoginBuilder old;
  old.tds_version = 0x70000000;
  EXPECT_FALSE(read_login7(old.body(), &login));
  LoginBuilder endless;
  endless.features = from_hex("0A 01000000 01");  // no terminator
  EXPECT_FALSE(read_login7(endless.body(), &login));
}

TEST(Login7, NegotiatesThePacketSize) {
  EXPECT_EQ(negotiated_packet_size(0), 4096u);
  EXPECT_EQ(negotiated_packet_size(1), 512u);
  EXPECT_EQ(negotiated_packet_size(8000), 8000u);
  EXPECT_EQ(negotiated_packet_size(65536), 32767u);
}

// The order of section 6.5 of the notes, each token at its place.
TEST(Login7, AcceptsInTheOrderClientsExpect) {
  Login7 login;
  login.tds_version = kTds74;
  login.wants_features = true;
  login.features = {0x0A};
  LoginAnswer answer;
  answer.database = "testdb";
  answer.server_name = "S";
  std::string order;
  const std::string bytes = login_accepted(login, answer);
  ByteReader tokens(bytes);
  while (!tokens.at_end()) {
    const uint8_t token = tokens.u8();
    order += to_hex(std::string(1, static_cast<char>(token)));
    if (token == 0xAE) {
      EXPECT_EQ(to_hex(tokens.bytes(7)), "0a0100000001ff");
    } else if (token == 0xFD) {
      EXPECT_EQ(to_hex(tokens.bytes(12)), "000000000000000000000000");
    } else {
      const std::string_view body = tokens.bytes(tokens.u16());
      order += token == 0xE3 ? "." + std::to_string(body[0]) + " " : " ";
      if (token == 0xAD) {
        EXPECT_EQ(to_hex(body.substr(0, 5)), "0174000004");
        EXPECT_EQ(to_hex(body.substr(body.size() - 4)), "1000104c");
      } else if (token == 0xE3 && body[0] == 7) {
        EXPECT_EQ(to_hex(body), "07050904d0003400");
      } else if (token == 0xE3 && body[0] == 4) {
        EXPECT_EQ(utf8_of_utf16(body.substr(2, 8)), "4096");
      }
    }
  }
  EXPECT_TRUE(tokens.ok());
  EXPECT_EQ(order, "e3.1 ab e3.7 e3.2 ab ad e3.4 aefd");
}

TEST(Login7, RefusalOfADatabaseIsFollowedByTheLoginFailure) {
  Login7 login;
  login.tds_version = kTds74;
  login.request.user = "sa";
  ServerMessage refusal;
  refusal.number = 4060;
  refusal.severity = 11;
  const std::string bytes = login_refused(login, refusal, "S");
  ByteReader tokens(bytes);
  EXPECT_EQ(tokens.u8(), 0xAA);
  ByteReader first(tokens.bytes(tokens.u16()));
  EXPECT_EQ(first.u32(), 4060u);
  EXPECT_EQ(tokens.u8(), 0xAA);
  ByteReader second(tokens.bytes(tokens.u16()));
  EXPECT_EQ(second.u32(), 18456u);
  EXPECT_EQ(tokens.u8(), 0xFD);
  EXPECT_EQ(tokens.u16(), kDoneError);
}

}  // namespace
}  // namespace dstream::standin
