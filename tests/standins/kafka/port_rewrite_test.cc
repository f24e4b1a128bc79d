#include "tests/standins/kafka/port_rewrite.h"

#include <gtest/gtest.h>

namespace dstream::standin {
namespace {

const std::string kHost = "127.0.0.1";

std::string broker(uint16_t port) {
  return kHost + std::string{'\0', '\0', static_cast<char>(port >> 8), static_cast<char>(port)};
}

PortRewrite make() { return PortRewrite(kHost, {{9092, 40001}, {40001, 40002}}); }

TEST(PortRewrite, PutsEachPortOnce) {
  PortRewrite rewrite = make();
  EXPECT_EQ(rewrite.pass("a" + broker(9092) + "b" + broker(40001) + "c" + broker(7) + "d"),
            "a" + broker(40001) + "b" + broker(40002) + "c" + broker(7) + "d");
}

TEST(PortRewrite, GivesTheSameHoweverTheStreamIsCut) {
  const std::string in = "127.0.0" + broker(9092) + kHost + broker(40001) + broker(9093) + "end";
  const std::string out = "127.0.0" + broker(40001) + kHost + broker(40002) + broker(9093) + "end";
  for (size_t first = 0; first <= in.size(); ++first) {
    for (size_t second = first; second <= in.size(); ++second) {
      PortRewrite rewrite = make();
      std::string got = rewrite.pass(in.substr(0, first));
      got += rewrite.pass(in.substr(first, second - first));
      got += rewrite.pass(in.substr(second));
      EXPECT_EQ(got + rewrite.end(), out) << first << " " << second;
    }
  }
}

TEST(PortRewrite, KeepsNothingBackButPartsOfAPort) {
  PortRewrite rewrite = make();
  EXPECT_EQ(rewrite.pass("x" + kHost), "x" + kHost);
  EXPECT_EQ(rewrite.pass(std::string(2, '\0')), "");
  EXPECT_EQ(rewrite.pass("!"), std::string(2, '\0') + "!");
  EXPECT_EQ(rewrite.pass(kHost + std::string(3, '\0')), kHost + std::string(3, '\0'));
  EXPECT_EQ(rewrite.end(), "");
}

}  // namespace
}  // namespace dstream::standin
