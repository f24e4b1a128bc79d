#include "tests/standins/sqlserver/protocol/packet_proxy.h"

#include <gtest/gtest.h>

#include "tests/standins/sqlserver/protocol/raw_client.h"
#include "tests/standins/sqlserver/protocol/server_fixture.h"

namespace dstream::standin {
namespace {

using How = PacketProxy::How;
using Where = PacketProxy::Where;

class PacketProxyTest : public ServerFixture {
 protected:
  void SetUp() override {
    add_rows(1'000);
    add_number(1);
    start();
  }
  // Bytes of the answer to "SELECT rows" that arrived; -1 if the login did not pass.
  static int64_t ask(const PacketProxy& proxy, bool* whole) {
    RawClient client;
    std::string body;
    *whole = false;
    if (!client.connect(proxy.port()) || !client.log_in()) {
      return -1;
    }
    *whole = client.send(RawClient::batch("SELECT rows")) && client.receive(&body);
    return static_cast<int64_t>(body.size());
  }
};

TEST_F(PacketProxyTest, SpoilsThePacketThatIsNamed) {
  PacketProxy proxy(server_->port());
  bool whole = false;
  const int64_t bytes = ask(proxy, &whole);
  ASSERT_TRUE(whole);
  const uint64_t packets = proxy.packets();
  ASSERT_GE(packets, 6u);  // login, request, and an answer of several packets
  int64_t before = -1;
  for (uint64_t packet = 1; packet <= packets; ++packet) {
    proxy.spoil({packet, Where::kBefore, How::kEnd});
    const int64_t arrived = ask(proxy, &whole);
    EXPECT_TRUE(proxy.has_happened()) << packet;
    EXPECT_FALSE(whole) << packet;
    EXPECT_GE(arrived, before) << packet;
    before = arrived;
  }
  EXPECT_GT(before, 0);
  EXPECT_LT(before, bytes);
  EXPECT_EQ(proxy.what().substr(0, 14), "to client 0x04");
}

TEST_F(PacketProxyTest, PiecesAreStillTheWhole) {
  PacketProxy proxy(server_->port());
  bool whole = false;
  const int64_t bytes = ask(proxy, &whole);
  const uint64_t packets = proxy.packets();
  for (uint64_t packet = 1; packet <= packets; ++packet) {
    proxy.spoil({packet, Where::kBefore, How::kPieces});
    EXPECT_EQ(ask(proxy, &whole), bytes) << packet;
    EXPECT_TRUE(whole && proxy.has_happened()) << packet;
  }
}

TEST_F(PacketProxyTest, MovesToAnotherServer) {
  Server other(&handler_, {});
  std::string error;
  ASSERT_TRUE(other.start(&error)) << error;
  PacketProxy proxy(server_->port());
  RawClient client;
  ASSERT_TRUE(client.connect(proxy.port()) && client.log_in());
  proxy.move_to(other.port());
  std::string body;
  EXPECT_FALSE(client.send(RawClient::batch("SELECT 1")) && client.receive(&body));
  bool whole = false;
  EXPECT_GT(ask(proxy, &whole), 0);
  EXPECT_TRUE(whole);
  EXPECT_EQ(other.statistics().counters().logins, 1u);
  other.stop();
}

}  // namespace
}  // namespace dstream::standin
