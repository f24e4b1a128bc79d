// Against a folder of this machine, and a container in this process over HTTPS.
#include "core/claims/claim_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/claims/blob_target.h"
#include "tests/standins/blob/blob_container.h"

namespace dstream::core {
namespace {

using standin::BlobContainer;
using testing::HasSubstr;
using testing::Not;
using Outcome = ClaimTarget::Outcome;

constexpr int kPatienceMs = 60'000;

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class ClaimTargets : public testing::Test {
 protected:
  ClaimTargets() {
    std::string name = (std::filesystem::temp_directory_path() / "dstream-claim-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~ClaimTargets() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<ClaimTarget> folder_target(const std::string& folder) {
    return make_claim_target({folder, "", ""}, files_.get(), 7);
  }
  size_t files_in(const std::string& folder) {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }

  std::unique_ptr<FileSystem> files_ = make_system_file_system();
  std::string folder_;
};

TEST_F(ClaimTargets, AFolderHasOneFileOfAName) {
  const auto target = folder_target(folder_);
  EXPECT_EQ(target->put("people/a-1", "first").outcome, Outcome::kStored);
  EXPECT_EQ(target->put("people/a-1", "again").outcome, Outcome::kStored);
  EXPECT_EQ(content_of(folder_ + "/people/a-1"), "again");
  EXPECT_EQ(files_in(folder_ + "/people"), 1u) << "nothing temporary stays";
  EXPECT_EQ(target->location("people/a-1"), "file://" + folder_ + "/people/a-1");
}

TEST_F(ClaimTargets, ALocationIsAUrl) {
  const auto target = folder_target("/srv/large values/\xC3\xA4 50%");
  EXPECT_EQ(target->location("p/x"), "file:///srv/large%20values/%C3%A4%2050%25/p/x");
}

TEST_F(ClaimTargets, AFolderThatIsNotThereIsNotMade) {
  const auto target = folder_target(folder_ + "/mount");
  const ClaimTarget::Attempt attempt = target->put("people/a", "value");
  EXPECT_EQ(attempt.outcome, Outcome::kAgain);
  EXPECT_THAT(attempt.why, HasSubstr("is not there"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/mount"));
  std::filesystem::create_directory(folder_ + "/mount");
  EXPECT_EQ(target->put("people/a", "value").outcome, Outcome::kStored);
}

TEST_F(ClaimTargets, WhatIsInTheWayIsSaid) {
  std::ofstream(folder_ + "/people") << "a file where the pipeline's folder should be";
  const ClaimTarget::Attempt attempt = folder_target(folder_)->put("people/a", "value");
  EXPECT_EQ(attempt.outcome, Outcome::kAgain);
  EXPECT_EQ(claim_error(attempt).code, "DS-CLAIM-AWAY");
}

class BlobTargets : public ClaimTargets {
 protected:
  static void SetUpTestSuite() {
    std::string name = (std::filesystem::temp_directory_path() / "dstream-blob-XXXXXX").string();
    certs_ = mkdtemp(name.data());
    ASSERT_EQ(std::system((DSTREAM_MAKE_CERTS " " + certs_).c_str()), 0);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(certs_); }

  std::unique_ptr<ClaimTarget> target(const std::string& url, bool trusts = true) {
    return make_claim_target({"", url, trusts ? certs_ + "/ca.pem" : ""}, files_.get(), 7);
  }

  static std::string certs_;
  BlobContainer container_{certs_};
};
std::string BlobTargets::certs_;

TEST_F(BlobTargets, ABlobHasTheBytesOfTheValue) {
  const std::string large(3'000'000, '\xFE');
  const auto blob = target(container_.url_with_sas());
  EXPECT_EQ(blob->put("people/a-1", "small").outcome, Outcome::kStored);
  EXPECT_EQ(blob->put("people/b-2", large).outcome, Outcome::kStored);
  EXPECT_EQ(blob->put("people/a-1", "small").outcome, Outcome::kStored);
  EXPECT_EQ(container_.blobs().at("people/a-1"), "small");
  EXPECT_EQ(container_.blobs().at("people/b-2"), large);
  EXPECT_EQ(container_.blobs().size(), 2u);
  EXPECT_EQ(blob->location("people/a-1"), container_.url() + "/people/a-1");
}

TEST_F(BlobTargets, ASignatureThatIsNotGoodIsDeniedAndNotShown) {
  container_.set_signature(BlobContainer::kSecondSignature);
  const ClaimTarget::Attempt attempt = target(container_.url_with_sas())->put("people/a", "v");
  EXPECT_EQ(attempt.outcome, Outcome::kDenied);
  EXPECT_EQ(attempt.why, container_.url() + " answers with status 403 (AuthenticationFailed)");
  EXPECT_EQ(claim_error(attempt).code, "DS-CLAIM-DENIED");
  EXPECT_THAT(claim_error(attempt).text(), Not(HasSubstr("Zmlyc3Q")));
}

TEST_F(BlobTargets, AnswersAreTakenAsTheyAreMeant) {
  const auto blob = target(container_.url_with_sas());
  const std::vector<std::pair<int, Outcome>> expected = {
      {401, Outcome::kDenied},  {403, Outcome::kDenied},  {404, Outcome::kRefused},
      {409, Outcome::kRefused}, {413, Outcome::kRefused}, {307, Outcome::kRefused},
      {408, Outcome::kAgain},   {429, Outcome::kAgain},   {500, Outcome::kAgain},
      {503, Outcome::kAgain}};
  for (const auto& [status, outcome] : expected) {
    container_.fail_with(status);
    EXPECT_EQ(blob->put("people/a", "v").outcome, outcome) << status;
  }
  EXPECT_TRUE(container_.blobs().empty());
}

TEST_F(BlobTargets, AnUnknownAuthorityIsNotTrusted) {
  const ClaimTarget::Attempt attempt =
      target(container_.url_with_sas(), false)->put("people/a", "v");
  EXPECT_EQ(attempt.outcome, Outcome::kAgain);
  EXPECT_THAT(attempt.why, HasSubstr("TLS with localhost"));
  EXPECT_THAT(attempt.why, Not(HasSubstr("Zmlyc3Q")));
  EXPECT_EQ(container_.requests(), 0);
}

TEST_F(BlobTargets, APutThatWaitsCanBeEnded) {
  container_.stall(true);
  const auto blob = target(container_.url_with_sas());
  ClaimTarget::Attempt attempt;
  std::thread putting([&] { attempt = blob->put("people/a", std::string(100'000, 'x')); });
  EXPECT_TRUE(container_.wait_requests(1, kPatienceMs));
  blob->cancel();
  putting.join();
  EXPECT_EQ(attempt.outcome, Outcome::kAgain);
}

TEST(Sas, SaysWhatItAllowsAndUntilWhen) {
  const SasFacts facts = read_sas(
      "https://a.blob.core.windows.net/c?sp=cw&se=2030-01-01T00%3A00%3A00Z&st=2026-01-02&sig=x");
  EXPECT_EQ(facts.permissions, "cw");
  EXPECT_EQ(facts.expires_s, 1'893'456'000);
  EXPECT_EQ(facts.not_before_s, 1'767'312'000);
  EXPECT_FALSE(facts.has_policy);
  EXPECT_TRUE(read_sas("https://a/c?si=policy&sig=x").has_policy);
  EXPECT_FALSE(read_sas("https://a/c?se=soon&sig=x").expires_s.has_value());
  const auto expiry = [](const std::string& time) {
    return read_sas("https://a/c?se=" + time + "&sig=x").expires_s;
  };
  EXPECT_EQ(expiry("2026-12-31"), 1'798'675'200);
  EXPECT_EQ(expiry("2026-12-31T23:59Z"), 1'798'761'540);
  EXPECT_EQ(expiry("2028-02-29T00:00:01Z"), 1'835'395'201);
  // What is no time is not taken for another one.
  for (const char* text : {"2026-13-01", "2026-00-01", "2026-02-30", "2026-12-31T24:30Z",
                           "2026-12-31T23:59", "2026-12-31T23Z", "2026-12-31T23:59:0",
                           "2026-12-31T23:59:00+01:00", "2026-12-31Z", "2026-12", ""}) {
    EXPECT_FALSE(expiry(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace dstream::core
