#include "deliveries.h"

#include <gtest/gtest.h>

#include "sink_driver.h"

namespace eventhubs {
namespace {

// A delivery of `count` messages without content.
struct Made {
  explicit Made(uint64_t id, uint32_t count) : messages(count) {
    raw.struct_size = sizeof raw;
    raw.id = id;
    raw.count = count;
    raw.messages = messages.data();
    raw.message_stride = sizeof(dstream_message);
  }
  dstream::Delivery view() const { return dstream::Delivery(&raw); }
  std::vector<dstream_message> messages;
  dstream_delivery raw{};
};

class DeliveriesTest : public testing::Test {
 protected:
  std::vector<Ticket> accept(const Made& made, uint32_t first, uint32_t count) {
    deliveries_.begin(made.view(), first);
    std::vector<Ticket> tickets;
    for (uint32_t i = 0; i < count; ++i) {
      tickets.push_back(deliveries_.accept());
    }
    return tickets;
  }
  // "7:0+3=0": delivery, first, count, result.
  std::string settles() {
    std::string out;
    for (const TestHost::Settle& each : host_.take_settles()) {
      out += (out.empty() ? "" : " ") + std::to_string(each.delivery) + ":" +
             std::to_string(each.first) + "+" + std::to_string(each.count) + "=" +
             std::to_string(each.result);
    }
    return out;
  }

  TestHost host_;
  dstream::Host view_{host_.raw()};
  Deliveries deliveries_;
};

TEST_F(DeliveriesTest, SettlesRunsInOrder) {
  const Made made(7, 5);
  const std::vector<Ticket> tickets = accept(made, 0, 5);
  EXPECT_EQ(&deliveries_.message(tickets[3]), &made.messages[3]);
  deliveries_.delivered(tickets[1]);
  deliveries_.delivered(tickets[2]);
  EXPECT_EQ(deliveries_.settle_done(view_), 0u);
  EXPECT_EQ(settles(), "");
  deliveries_.delivered(tickets[0]);
  EXPECT_EQ(deliveries_.settle_done(view_), 3u);
  EXPECT_EQ(settles(), "7:0+3=0");
  EXPECT_EQ(deliveries_.open_items(), 2u);
  deliveries_.delivered(tickets[4]);
  deliveries_.delivered(tickets[3]);
  EXPECT_EQ(deliveries_.settle_done(view_), 2u);
  EXPECT_EQ(settles(), "7:3+2=0");
  EXPECT_EQ(deliveries_.open_items(), 0u);
}

TEST_F(DeliveriesTest, TakesADeliveryInParts) {
  const Made made(9, 6);
  const std::vector<Ticket> head = accept(made, 0, 2);
  const std::vector<Ticket> tail = accept(made, 2, 4);
  for (const Ticket ticket : head) {
    deliveries_.delivered(ticket);
  }
  for (const Ticket ticket : tail) {
    deliveries_.delivered(ticket);
  }
  EXPECT_EQ(deliveries_.settle_done(view_), 6u);
  EXPECT_EQ(settles(), "9:0+6=0");
}

TEST_F(DeliveriesTest, TakesTheRestAfterTheFirstPartIsSettled) {
  const Made made(9, 4);
  deliveries_.delivered(accept(made, 0, 1)[0]);
  deliveries_.settle_done(view_);
  const std::vector<Ticket> tail = accept(made, 1, 3);
  EXPECT_EQ(&deliveries_.message(tail[0]), &made.messages[1]);
  for (const Ticket ticket : tail) {
    deliveries_.delivered(ticket);
  }
  deliveries_.settle_done(view_);
  EXPECT_EQ(settles(), "9:0+1=0 9:1+3=0");
}

TEST_F(DeliveriesTest, ABeginWithoutAnAcceptLeavesNothing) {
  const Made first(1, 2);
  const Made second(2, 2);
  accept(first, 0, 0);
  const std::vector<Ticket> tickets = accept(second, 0, 2);
  EXPECT_EQ(&deliveries_.message(tickets[0]), &second.messages[0]);
  EXPECT_EQ(deliveries_.settle_all(view_, {44, "later"}, 5), 2u);
  EXPECT_EQ(settles(), "2:0+2=-1");
}

TEST_F(DeliveriesTest, SettlesARejectedItemAlone) {
  const Made made(3, 4);
  const std::vector<Ticket> tickets = accept(made, 0, 4);
  deliveries_.rejected(tickets[1], {10, "too large"});
  for (const int i : {0, 2, 3}) {
    deliveries_.delivered(tickets[static_cast<size_t>(i)]);
  }
  EXPECT_EQ(deliveries_.settle_done(view_), 3u);
  const std::vector<TestHost::Settle> seen = host_.take_settles();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[1].result, DSTREAM_REJECTED);
  EXPECT_EQ(seen[1].first, 1u);
  EXPECT_EQ(seen[1].count, 1u);
  EXPECT_EQ(seen[1].message, "too large");
}

TEST_F(DeliveriesTest, GivesBackWhatIsNotDone) {
  const Made one(1, 3);
  const Made two(2, 3);
  const std::vector<Ticket> first = accept(one, 0, 3);
  const std::vector<Ticket> second = accept(two, 0, 3);
  deliveries_.delivered(first[0]);
  deliveries_.delivered(first[2]);
  deliveries_.rejected(second[1], {2, "invalid"});
  EXPECT_EQ(deliveries_.settle_all(view_, {44, "throttled"}, 250), 3u);
  EXPECT_EQ(settles(), "1:0+1=0 1:1+1=-1 1:2+1=0 2:0+1=-1 2:1+1=-3 2:2+1=-1");
  EXPECT_EQ(deliveries_.open_items(), 0u);
}

TEST_F(DeliveriesTest, SaysHowLongToWait) {
  const Made made(1, 1);
  accept(made, 0, 1);
  deliveries_.settle_all(view_, {44, "throttled"}, 250);
  const std::vector<TestHost::Settle> seen = host_.take_settles();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].retry_after_ms, 250u);
  EXPECT_EQ(seen[0].message, "throttled");
}

TEST_F(DeliveriesTest, ForgetsWithoutAWord) {
  const Made made(1, 2);
  deliveries_.delivered(accept(made, 0, 2)[0]);
  deliveries_.clear();
  EXPECT_EQ(deliveries_.settle_done(view_), 0u);
  EXPECT_EQ(deliveries_.settle_all(view_, {0, ""}, 0), 0u);
  EXPECT_EQ(settles(), "");
  EXPECT_EQ(deliveries_.open_items(), 0u);
}

}  // namespace
}  // namespace eventhubs
