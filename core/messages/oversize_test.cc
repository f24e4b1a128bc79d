#include "core/messages/oversize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string_view>

#include "core/messages/column_cut.h"
#include "core/messages/test_record.h"

namespace dstream::core {
namespace {

using test::bytes_of;
using test::kKey;
using test::Table;
using test::TestRecord;
using test::text_of;
using ::testing::HasSubstr;
using ::testing::Not;

std::string header_of(const dstream_message& message, const std::string& name) {
  for (uint32_t i = 0; i < message.header_count; ++i) {
    if (name == message.headers[i].name) {
      return text_of(message.headers[i].value);
    }
  }
  return "none";
}

class OversizeTest : public ::testing::Test {
 protected:
  OversizeTest() {
    people_.column("ID", "int", DSTREAM_INT64, kKey)
        .column("Name", "nvarchar(50)", DSTREAM_STRING)
        .column("Notes", "nvarchar(max)", DSTREAM_STRING)
        .column("Photo", "varbinary(max)", DSTREAM_BYTES)
        .column("Cv", "xml", DSTREAM_XML);
  }
  void use(OnOversize policy, uint64_t limit, const std::string& format = "json") {
    MessageSettings settings;
    settings.pipeline = "people";
    settings.format = format;
    encoder_ = std::make_unique<OversizeEncoder>(std::move(make_encoder(settings).value()), policy,
                                                 settings);
    encoder_->set_limit(limit);
  }
  Result<void> encode(const TestRecord& record) {
    out_.clear();
    return encoder_->encode(record.raw, 7, arena_, out_);
  }
  // A row of dbo.People: ID, Name, Notes, Photo, Cv. The texts are borrowed.
  static TestRecord::Row row(int64_t id, std::string_view notes, std::string_view photo = "",
                             std::string_view cv = "") {
    return {test::number(id), test::text("Ada"), test::text(notes), test::binary(photo),
            test::text(cv, DSTREAM_XML)};
  }
  // As a consumer joins them.
  std::string joined() const {
    std::string whole;
    for (const dstream_message& part : out_) {
      whole += text_of(part.value);
    }
    return whole;
  }

  Table people_{"People"};
  std::unique_ptr<OversizeEncoder> encoder_;
  Arena arena_;
  std::vector<dstream_message> out_;
};

TEST_F(OversizeTest, WhatFitsIsLeftAlone) {
  const std::string notes(500, 'x');
  TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes));
  for (const OnOversize policy :
       {OnOversize::kStop, OnOversize::kTruncateColumns, OnOversize::kSplit}) {
    use(policy, 5000);
    ASSERT_TRUE(encode(record).has_value());
    ASSERT_EQ(out_.size(), 1u);
    EXPECT_EQ(header_of(out_[0], kTruncatedHeader), "none");
    EXPECT_EQ(header_of(out_[0], kPartHeader), "none");
    EXPECT_THAT(text_of(out_[0].value), HasSubstr(notes));
  }
  use(OnOversize::kStop, 0);
  const std::string large(100'000, 'x');
  TestRecord unlimited(people_, DSTREAM_OP_INSERT, {}, row(1, large));
  EXPECT_TRUE(encode(unlimited).has_value()) << "no limit is known";
}

TEST_F(OversizeTest, ARefusalNamesTableAndSizes) {
  use(OnOversize::kStop, 2000);
  const std::string notes(5000, 'x');
  TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes));
  const Result<void> refused = encode(record);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, kOversizeCode);
  EXPECT_THAT(refused.error().message, HasSubstr("People"));
  EXPECT_THAT(refused.error().message, HasSubstr("the sink takes 2000."));
  EXPECT_TRUE(out_.empty()) << "nothing is appended";
  EXPECT_EQ(encoder_->counts().refused, 1u);
}

TEST_F(OversizeTest, TheLargestColumnsAreCutAndNamed) {
  use(OnOversize::kTruncateColumns, 3000);
  const std::string notes(4000, 'n');
  const std::string photo(2500, '\x80');
  TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes, photo));
  ASSERT_TRUE(encode(record).has_value());
  ASSERT_EQ(out_.size(), 1u);
  EXPECT_LE(message_bytes(out_[0]), 3000u);
  EXPECT_GT(message_bytes(out_[0]), 1500u) << "it is not cut much more than needed";
  EXPECT_THAT(header_of(out_[0], kTruncatedHeader), HasSubstr("Notes:4000"));
  EXPECT_THAT(text_of(out_[0].value), HasSubstr("\"Name\":\"Ada\""));
  EXPECT_THAT(text_of(out_[0].key), HasSubstr("1"));
  EXPECT_EQ(encoder_->counts().truncated, 1u);
}

TEST_F(OversizeTest, ACharacterIsNeverCutInTwo) {
  for (uint64_t limit = 1000; limit < 1010; ++limit) {
    use(OnOversize::kTruncateColumns, limit);
    std::string notes;
    for (int i = 0; i < 1000; ++i) {
      notes += "\xF0\x9F\x98\x80";
    }
    TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes));
    ASSERT_TRUE(encode(record).has_value());
    const std::string value = text_of(out_[0].value);
    const size_t begin = value.find("\"Notes\":\"") + 9;
    const size_t bytes = value.find('"', begin) - begin;
    EXPECT_GT(bytes, 0u);
    EXPECT_EQ(bytes % 4, 0u) << limit;
  }
}

TEST_F(OversizeTest, ADocumentGoesAsAWhole) {
  use(OnOversize::kTruncateColumns, 2000);
  const std::string cv = "<cv>" + std::string(5000, 'c') + "</cv>";
  TestRecord record(people_, DSTREAM_OP_UPDATE, row(1, "old", "", cv), row(1, "new", "", cv));
  ASSERT_TRUE(encode(record).has_value());
  EXPECT_THAT(text_of(out_[0].value), Not(HasSubstr("Cv")));
  EXPECT_THAT(text_of(out_[0].value), HasSubstr("\"new\""));
  EXPECT_EQ(header_of(out_[0], kTruncatedHeader), "Cv:5009");
}

TEST_F(OversizeTest, KeysAreNeverCut) {
  MessageSettings settings;
  settings.key_columns["DBO.people"] = {"notes"};
  auto inner = make_encoder(settings);
  OversizeEncoder encoder(std::move(*inner), OnOversize::kTruncateColumns, settings);
  encoder.set_limit(2000);
  const std::string notes(5000, 'x');
  TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes));
  const Result<void> refused = encoder.encode(record.raw, 0, arena_, out_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, kOversizeCode);
  EXPECT_THAT(refused.error().message, HasSubstr("cannot be made smaller"));
}

TEST_F(OversizeTest, PartsAreTheWholeInOrderUnderOneKey) {
  use(OnOversize::kSplit, 1500, "debezium-json");
  const std::string notes(10'000, 'x');
  TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes));
  encoder_->set_limit(0);
  ASSERT_TRUE(encode(record).has_value());
  const std::string whole = text_of(out_[0].value);
  const std::string id = header_of(out_[0], "ce_id");
  const std::string key = text_of(out_[0].key);
  encoder_->set_limit(1500);
  ASSERT_TRUE(encode(record).has_value());
  ASSERT_GT(out_.size(), 5u);
  std::map<std::string, int> ids;
  for (size_t i = 0; i < out_.size(); ++i) {
    EXPECT_LE(message_bytes(out_[i]), 1500u);
    EXPECT_EQ(text_of(out_[i].key), key);
    EXPECT_EQ(out_[i].record, 7u);
    EXPECT_EQ(header_of(out_[i], kPartHeader),
              std::to_string(i + 1) + "/" + std::to_string(out_.size()));
    EXPECT_EQ(header_of(out_[i], kPartOfHeader), header_of(out_[0], kPartOfHeader));
    EXPECT_EQ(header_of(out_[i], "ce_id"), id + "#" + std::to_string(i + 1));
  }
  EXPECT_EQ(joined(), whole);
  EXPECT_EQ(header_of(out_[0], kPartOfHeader).size(), 64u);
  EXPECT_EQ(encoder_->counts().split, 1u);
}

TEST_F(OversizeTest, OnlyTheLargeMessageOfARecordIsSplit) {
  use(OnOversize::kSplit, 1500);
  const std::string notes(4000, 'x');
  TestRecord record(people_, DSTREAM_OP_DELETE, row(1, notes), {});
  ASSERT_TRUE(encode(record).has_value());
  ASSERT_GT(out_.size(), 2u);
  EXPECT_EQ(out_.back().value.data, nullptr) << "the tombstone stays one, and last";
  EXPECT_EQ(header_of(out_.back(), kPartHeader), "none");
}

// Stores at once.
class PromptStore final : public ClaimStore {
 public:
  std::string location(const std::string& name) const override {
    return "https://store.example/values/" + name;
  }
  void put(const std::string& name, dstream_bytes value) override { values[name] = text_of(value); }
  Result<bool> stored() override { return true; }
  std::optional<Error> trouble() const override { return std::nullopt; }
  void forget() override {}

  std::map<std::string, std::string> values;
};

// What consumers read: it must not change.
TEST_F(OversizeTest, AReferenceIsWhatTheManualSays) {
  PromptStore store;
  use(OnOversize::kClaimCheck, 1500, "debezium-json");
  encoder_->set_claims(&store);
  const std::string notes(4000, 'x');
  TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes));
  record.raw.read_time_ns = 0;
  encoder_->set_limit(0);
  ASSERT_TRUE(encode(record).has_value());
  const dstream_message whole = out_[0];
  const std::string id = header_of(whole, "ce_id");
  encoder_->set_limit(1500);
  ASSERT_TRUE(encode(record).has_value());
  ASSERT_EQ(out_.size(), 1u);
  ASSERT_EQ(store.values.size(), 1u);
  const auto& [name, value] = *store.values.begin();
  EXPECT_EQ(value, text_of(whole.value));
  const std::string digest = name.substr(name.size() - 64);
  std::string plain_id = id;
  std::replace(plain_id.begin(), plain_id.end(), ':', '_');
  EXPECT_EQ(name, "people/" + plain_id + "-" + digest);
  EXPECT_EQ(text_of(out_[0].key), text_of(whole.key));
  EXPECT_STREQ(out_[0].topic, whole.topic);
  EXPECT_EQ(header_of(out_[0], "ce_id"), id);
  EXPECT_EQ(header_of(out_[0], kClaimCheckHeader), name);
  EXPECT_EQ(text_of(out_[0].value),
            "{\"claim_check\":{\"location\":\"https://store.example/values/" + name +
                "\",\"name\":\"" + name + "\",\"bytes\":" + std::to_string(value.size()) +
                ",\"sha256\":\"" + digest + "\"}}");
  EXPECT_EQ(encoder_->counts().claimed, 1u);
  record.raw.read_time_ns = 1'000'000'000;
  ASSERT_TRUE(encode(record).has_value());
  EXPECT_EQ(store.values.size(), 1u) << "what is read again is stored over itself";
}

TEST_F(OversizeTest, NothingIsStoredForAReferenceThatDoesNotFit) {
  PromptStore store;
  use(OnOversize::kClaimCheck, 200);
  encoder_->set_claims(&store);
  const std::string notes(4000, 'x');
  TestRecord record(people_, DSTREAM_OP_INSERT, {}, row(1, notes));
  const Result<void> refused = encode(record);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, kOversizeCode);
  EXPECT_TRUE(store.values.empty());
  EXPECT_TRUE(out_.empty());
}

TEST_F(OversizeTest, OnlyTheLargeMessageOfARecordIsAReference) {
  PromptStore store;
  use(OnOversize::kClaimCheck, 1500);
  encoder_->set_claims(&store);
  const std::string notes(4000, 'x');
  TestRecord record(people_, DSTREAM_OP_DELETE, row(1, notes), {});
  ASSERT_TRUE(encode(record).has_value());
  ASSERT_EQ(out_.size(), 2u);
  EXPECT_NE(header_of(out_[0], kClaimCheckHeader), "none");
  EXPECT_EQ(out_[1].value.data, nullptr);
  EXPECT_EQ(header_of(out_[1], kClaimCheckHeader), "none");
}

TEST_F(OversizeTest, WhatCannotBeSplitIsRefused) {
  Table log("Log");
  log.column("Text", "nvarchar(max)", DSTREAM_STRING);
  MessageSettings settings;
  settings.allow_no_key = true;
  auto inner = make_encoder(settings);
  OversizeEncoder encoder(std::move(*inner), OnOversize::kSplit, settings);
  encoder.set_limit(1500);
  const std::string large(5000, 'x');
  TestRecord record(log, DSTREAM_OP_INSERT, {}, {test::text(large)});
  const Result<void> refused = encoder.encode(record.raw, 0, arena_, out_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("no key"));
  encoder.set_limit(200);
  EXPECT_FALSE(encoder.encode(record.raw, 0, arena_, out_).has_value());
  EXPECT_TRUE(out_.empty());
}

// Random rows and limits: what comes out fits and says what was done to it, or nothing comes out.
TEST_F(OversizeTest, NothingThatComesOutIsTooLargeOrCutSilently) {
  const char* given = std::getenv("DSTREAM_OVERSIZE_SEED");
  const uint64_t seed =
      given == nullptr ? std::random_device{}() : std::strtoull(given, nullptr, 10);
  SCOPED_TRACE("DSTREAM_OVERSIZE_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t end) { return random() % end; };
  const auto any_text = [&] {
    static constexpr const char* kPieces[] = {
        "a", "\"", "\\", "\n", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    std::string out;
    for (uint64_t i = below(1000); i > 0; --i) {
      out += kPieces[below(7)];
    }
    return out;
  };
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(round);
    const bool splits = below(2) == 0;
    const uint64_t limit = 600 + below(4000);
    use(splits ? OnOversize::kSplit : OnOversize::kTruncateColumns, 0,
        below(2) == 0 ? "json" : "debezium-json");
    const std::string texts[] = {any_text(), any_text(), any_text(), any_text()};
    const bool update = below(2) == 0;
    const int64_t id = update && below(4) == 0 ? 2 : 1;
    TestRecord record(people_, update ? DSTREAM_OP_UPDATE : DSTREAM_OP_INSERT,
                      update ? row(1, texts[0], texts[1]) : TestRecord::Row{},
                      row(id, texts[2], texts[3]));
    ASSERT_TRUE(encode(record).has_value());
    const std::string whole = joined();
    const bool fitted = std::all_of(out_.begin(), out_.end(), [limit](const auto& message) {
      return message_bytes(message) <= limit;
    });
    encoder_->set_limit(limit);
    const Result<void> made = encode(record);
    if (!made) {
      EXPECT_FALSE(fitted);
      EXPECT_EQ(made.error().code, kOversizeCode);
      EXPECT_TRUE(out_.empty());
      continue;
    }
    for (const dstream_message& message : out_) {
      EXPECT_LE(message_bytes(message), limit);
      EXPECT_TRUE(fitted || splits || message.value.data == nullptr ||
                  header_of(message, kTruncatedHeader) != "none");
    }
    EXPECT_TRUE(!splits || joined() == whole) << "parts are the whole";
  }
}

}  // namespace
}  // namespace dstream::core
