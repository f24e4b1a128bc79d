// `plugins inspect`: whatever a library does while it is loaded stays in the child.
#include "core/plugins/inspect.h"

#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <string>

namespace dstream::core {
namespace {

constexpr const char* kSelf = "/proc/self/exe";

Result<std::string> inspect(const std::string& name, int64_t timeout_ms = kInspectTimeoutMs) {
  return inspect_in_child(kSelf, std::string(ZOO) + "/" + name, timeout_ms);
}

TEST(Inspect, DescribesAPlugin) {
  auto text = inspect("behaviour.so");
  ASSERT_TRUE(text.has_value()) << text.error().text();
  Poco::JSON::Parser parser;
  auto document = parser.parse(*text).extract<Poco::JSON::Object::Ptr>();
  EXPECT_EQ(document->getValue<std::string>("name"), "zoo");
  EXPECT_EQ(document->getObject("abi")->getValue<int>("major"), 1);
  EXPECT_GT(document->getValue<int64_t>("bytes"), 0);
  auto connectors = document->getArray("connectors");
  ASSERT_EQ(connectors->size(), 2u);
  auto source = connectors->getObject(0);
  EXPECT_EQ(source->getValue<std::string>("id"), "zoo-source");
  EXPECT_EQ(source->getValue<std::string>("kind"), "source");
  EXPECT_TRUE(source->isObject("config_schema"));
  EXPECT_EQ(connectors->getObject(1)->getValue<std::string>("items"), "records");
}

TEST(Inspect, PassesARefusalOn) {
  auto text = inspect("newer_minor.so");
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, "DS-PLUGIN-ABI-MINOR");
  EXPECT_NE(text.error().text().find("newer_minor.so"), std::string::npos);
  EXPECT_EQ(inspect("absent.so").error().code, "DS-PLUGIN-FILE");
}

TEST(Inspect, ACrashIsAnError) {
  auto text = inspect("constructors/crashes.so");
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, "DS-PLUGIN-CRASH");
  EXPECT_NE(text.error().message.find("SIGABRT"), std::string::npos);
  EXPECT_NE(text.error().message.find("in a constructor of plugin"), std::string::npos)
      << text.error().message;
}

TEST(Inspect, AHangIsAnError) {
  auto text = inspect("constructors/hangs.so", 1000);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, "DS-PLUGIN-TIMEOUT");
}

TEST(Inspect, AnEndWithoutAnAnswerIsAnError) {
  auto text = inspect("constructors/exits.so");
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, "DS-PLUGIN-OUTPUT");
}

TEST(Inspect, WhatALibraryPrintsIsNotItsDescription) {
  auto text = inspect("constructors/prints.so");
  ASSERT_TRUE(text.has_value()) << text.error().text();
  EXPECT_EQ(text->find("forged"), std::string::npos);
}

TEST(Inspect, WhatALibraryForksDoesNotOutliveTheInspection) {
  // The grandchild inherits this pipe and holds it open as long as it lives.
  int held[2];
  ASSERT_EQ(::pipe(held), 0);
  auto text = inspect("constructors/forks.so", 2000);
  ASSERT_FALSE(text.has_value()) << "it holds the pipe of the answer, too";
  EXPECT_EQ(text.error().code, "DS-PLUGIN-TIMEOUT");
  ::close(held[1]);
  pollfd waiting{held[0], POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, 10'000), 1) << "a process was left behind";
  EXPECT_NE(waiting.revents & POLLHUP, 0);
  ::close(held[0]);
}

TEST(Inspect, AChildThatCannotBeStartedIsAnError) {
  auto text = inspect_in_child("/nonexistent/dstream", "x.so");
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, "DS-PLUGIN-CHILD");
}

TEST(Inspect, AProgramThatIsNotOursIsAnError) {
  auto text = inspect_in_child("/bin/true", "x.so");
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, "DS-PLUGIN-OUTPUT");
}

}  // namespace
}  // namespace dstream::core
