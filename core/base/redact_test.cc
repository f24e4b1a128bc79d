#include "core/base/redact.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace dstream::core {
namespace {

TEST(Redactor, HidesAWholeSecret) {
  Redactor redactor;
  EXPECT_TRUE(redactor.empty());
  redactor.add("hunter2");
  EXPECT_EQ(redactor.apply("It is hunter2, hunter2!"), "It is [redacted], [redacted]!");
  EXPECT_EQ(redactor.apply("It is hunter."), "It is hunter.");
}

TEST(Redactor, HidesThePasswordOfAUrl) {
  Redactor redactor;
  redactor.add("sqlserver://sa:p%40ss%3Aword@db:1433?database=crm");
  EXPECT_EQ(redactor.apply("user sa, p@ss:word or p%40ss%3Aword at db:1433"),
            "user sa, [redacted] or [redacted] at db:1433");
  EXPECT_EQ(redactor.apply("sqlserver://sa:p%40ss%3Aword@db:1433?database=crm"), "[redacted]");
}

TEST(Redactor, HidesTheSecretPartsOfAConnectionString) {
  Redactor redactor;
  redactor.add("Driver={FreeTDS};Server=db;UID=sa;PWD={tiger;cat};Database=crm");
  redactor.add(
      "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;"
      "SharedAccessKey=abc+123=;EntityPath=people");
  EXPECT_EQ(redactor.apply("db sa crm Root people abc+123="), "db sa crm Root people [redacted]");
  EXPECT_EQ(redactor.apply("login with tiger;cat failed"), "login with [redacted] failed");
}

TEST(Redactor, HidesSecretsInsideJson) {
  Redactor redactor;
  redactor.add("a\"b\\c");
  EXPECT_EQ(redactor.apply(R"({"password":"a\"b\\c"})"), R"({"password":"[redacted]"})");
}

TEST(Redactor, PrefersTheLongerSecret) {
  Redactor redactor;
  redactor.add("abc");
  redactor.add("abcdef");
  EXPECT_EQ(redactor.apply("abcdef abc"), "[redacted] [redacted]");
}

TEST(Redactor, LeavesVeryShortPartsAlone) {
  Redactor redactor;
  redactor.add("x");
  redactor.add("");
  EXPECT_TRUE(redactor.empty());
}

TEST(Redactor, CleansErrors) {
  Redactor redactor;
  redactor.add("hunter2");
  Error error = redactor.apply(Error{"DS-X", "It was hunter2.", "Not hunter2.", Place{"f", 1, 2}});
  EXPECT_EQ(error.text(), "f:1:2: DS-X: It was [redacted]. Hint: Not [redacted].");
}

TEST(RedactingLog, CleansMessagesAndFields) {
  class Kept final : public Log {
   public:
    using Log::write;
    LogLevel level() const override { return LogLevel::kDebug; }
    void write(LogLevel, std::string_view message, std::span<const LogField> fields) override {
      text += std::string(message);
      for (const LogField& field : fields) {
        text += " " + std::string(field.key) + "=" + field.value;
      }
    }
    std::string text;
  };
  auto kept = std::make_shared<Kept>();
  auto redactor = std::make_shared<Redactor>();
  auto log = make_redacting_log(kept, redactor);
  log->write(LogLevel::kInfo, "hunter2", {{"a", "b"}});
  redactor->add("hunter2");
  log->write(LogLevel::kInfo, "; hunter2", {{"a", "hunter2"}});
  log->write(LogLevel::kTrace, "hunter2");
  EXPECT_EQ(kept->text, "hunter2 a=b; [redacted] a=[redacted]");
  EXPECT_EQ(log->level(), LogLevel::kDebug);
}

}  // namespace
}  // namespace dstream::core
