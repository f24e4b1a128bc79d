// Against a registry in this process, over HTTP and HTTPS.
#include "core/registry/registry_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "tests/standins/registry/schema_registry.h"

namespace dstream::core {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr seconds kPatience{60};
constexpr const char* kSchema = R"({"type":"record","name":"Ä \"q\"","fields":[]})";

class Registry : public testing::Test {
 protected:
  void make(RegistrySettings settings) {
    environment_.log = log_.get();
    environment_.pipeline = "people";
    environment_.changed = [this] {
      const std::lock_guard lock(mutex_);
      ++changes_;
      changed_.notify_all();
    };
    environment_.seed = 7;
    client_ = std::make_unique<RegistryClient>(settings, environment_);
  }

  RegistrySettings settings() const {
    RegistrySettings out;
    out.url = server_->url();
    return out;
  }

  // The id, or 0 and error_; waits until there is one of the two.
  int32_t id(const std::string& subject, const std::string& schema = kSchema) {
    error_.reset();
    std::unique_lock lock(mutex_);
    bool waited = true;
    while (waited) {
      const int changes = changes_;
      auto found = client_->find(subject, schema);
      if (!found) {
        error_ = found.error();
        return 0;
      }
      if (*found) {
        return **found;
      }
      waited = changed_.wait_for(lock, kPatience, [&] { return changes_ != changes; });
    }
    return -1;
  }

  bool wait_trouble(bool there) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience,
                             [&] { return client_->trouble().has_value() == there; });
  }

  std::shared_ptr<Log> log_ = make_null_log();
  std::mutex mutex_;
  std::condition_variable changed_;
  int changes_ = 0;
  std::unique_ptr<standin::SchemaRegistry> server_ =
      std::make_unique<standin::SchemaRegistry>(standin::SchemaRegistry::Options{});
  std::optional<Error> error_;
  RegistryClient::Environment environment_;
  std::unique_ptr<RegistryClient> client_;
};

TEST_F(Registry, ASchemaIsRegisteredOnceAndItsIdStaysKnown) {
  make(settings());
  EXPECT_FALSE(client_->find("a.b-c_D-value", kSchema).value()) << "it never waits";
  const int32_t first = id("a.b-c_D-value");
  EXPECT_EQ(first, server_->newest("a.b-c_D-value"));
  EXPECT_EQ(server_->schemas().at(first), kSchema);
  EXPECT_EQ(id("a.b-c_D-value"), first);
  EXPECT_EQ(server_->requests(), 1);
  EXPECT_NE(id("a.b-c_D-value", "{}"), first);
  EXPECT_EQ(id("other"), first) << "the same schema under another subject";
}

TEST_F(Registry, WhoMayNotRegisterOnlyLooks) {
  RegistrySettings looks = settings();
  looks.register_schemas = false;
  const int32_t known = server_->add("known", kSchema);
  make(looks);
  EXPECT_EQ(id("known"), known);
  EXPECT_EQ(id("unknown"), 0);
  EXPECT_EQ(error_->code, "DS-REGISTRY-UNKNOWN");
  EXPECT_EQ(server_->newest("unknown"), 0);
}

TEST_F(Registry, AnIncompatibleSchemaIsRefusedForGood) {
  server_->freeze("frozen");
  make(settings());
  EXPECT_EQ(id("frozen"), 0);
  EXPECT_EQ(error_->code, "DS-REGISTRY-INCOMPATIBLE");
  EXPECT_THAT(error_->message, HasSubstr("incompatible with an earlier schema"));
  EXPECT_FALSE(client_->find("frozen", kSchema));
  EXPECT_EQ(server_->requests(), 1);
  EXPECT_GT(id("other"), 0) << "others go on";
}

TEST_F(Registry, ATextThatIsNoSchemaIsRefused) {
  make(settings());
  EXPECT_EQ(id("a", "no json"), 0);
  EXPECT_EQ(error_->code, "DS-REGISTRY-REFUSED");
}

TEST_F(Registry, AServerThatFailsIsAskedAgain) {
  server_->fail_with(503);
  make(settings());
  EXPECT_FALSE(client_->find("a", kSchema).value());
  ASSERT_TRUE(wait_trouble(true));
  EXPECT_EQ(client_->trouble()->code, "DS-REGISTRY-AWAY");
  EXPECT_THAT(client_->trouble()->message, HasSubstr("status 503: Error in the backend"));
  ASSERT_TRUE(server_->wait_requests(3, 60'000));
  server_->fail_with(0);
  EXPECT_GT(id("a"), 0);
  EXPECT_FALSE(client_->trouble());
}

TEST_F(Registry, AServerThatIsNotThereIsAskedAgain) {
  const RegistrySettings there = settings();
  standin::SchemaRegistry::Options again;
  again.port = static_cast<uint16_t>(std::stoi(there.url.substr(there.url.rfind(':') + 1)));
  server_.reset();
  make(there);
  EXPECT_FALSE(client_->find("a", kSchema).value());
  ASSERT_TRUE(wait_trouble(true));
  server_ = std::make_unique<standin::SchemaRegistry>(again);
  EXPECT_GT(id("a"), 0);
  EXPECT_FALSE(client_->trouble());
}

TEST_F(Registry, AnEndDoesNotWaitForAnAnswer) {
  server_->stall(true);
  make(settings());
  EXPECT_FALSE(client_->find("a", kSchema).value());
  ASSERT_TRUE(server_->wait_requests(1, 60'000));
  const auto started = std::chrono::steady_clock::now();
  client_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - started, seconds(9)) << "its own limit is 10 s";
}

TEST_F(Registry, ALoginIsShownAndItsRefusalSaysNoSecret) {
  standin::SchemaRegistry::Options options;
  options.password = "s3cret-ü";
  options.username = "key1";
  server_ = std::make_unique<standin::SchemaRegistry>(options);
  RegistrySettings login = settings();
  login.username = options.username;
  login.password = options.password;
  make(login);
  EXPECT_GT(id("a"), 0);
  login.password = "wr0ng-one";
  make(login);
  EXPECT_EQ(id("a"), 0);
  EXPECT_EQ(error_->code, "DS-REGISTRY-DENIED");
  EXPECT_THAT(error_->text(), Not(HasSubstr("wr0ng"))) << "(I11)";
}

TEST_F(Registry, ALoginThatIsRefusedIsReadAgain) {
  standin::SchemaRegistry::Options options;
  options.username = "key1";
  options.password = "second-secret";
  server_ = std::make_unique<standin::SchemaRegistry>(options);
  RegistrySettings login = settings();
  login.username = "key1";
  login.password = "first-secret";
  std::atomic<int> rereads{0};
  environment_.reread = [&rereads, login]() -> Result<RegistrySettings> {
    switch (++rereads) {
      case 1:  // not rotated yet
        return login;
      case 2:
        return fail(Error{"DS-CONFIG-REFERENCE-FILE", "Gone.", "", std::nullopt, {}});
      default:
        RegistrySettings now = login;
        now.password = "second-secret";
        return now;
    }
  };
  environment_.denied_for_ms = 60'000;
  make(login);
  EXPECT_GT(id("a"), 0);
  EXPECT_EQ(rereads, 3);
  EXPECT_EQ(server_->requests(), 4);
  EXPECT_FALSE(client_->trouble());
}

TEST_F(Registry, ALoginThatStaysRefusedIsGivenUpAfterAWhile) {
  standin::SchemaRegistry::Options options;
  options.username = "key1";
  options.password = "right";
  server_ = std::make_unique<standin::SchemaRegistry>(options);
  RegistrySettings login = settings();
  environment_.reread = [login]() -> Result<RegistrySettings> { return login; };
  environment_.denied_for_ms = 120;  // waits are 50 to 100 ms, then 100 to 200
  make(login);
  EXPECT_EQ(id("a"), 0);
  EXPECT_EQ(error_->code, "DS-REGISTRY-DENIED");
  EXPECT_EQ(server_->requests(), 3);
}

TEST_F(Registry, CertificatesAreVerified) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("dstream-registry-" + std::to_string(getpid()));
  const std::string command = std::string(DSTREAM_MAKE_CERTS) + " " + folder.string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  standin::SchemaRegistry::Options options;
  options.certs = folder.string();
  server_ = std::make_unique<standin::SchemaRegistry>(options);
  RegistrySettings trusting = settings();
  make(trusting);
  EXPECT_FALSE(client_->find("a", kSchema).value());
  ASSERT_TRUE(wait_trouble(true));
  EXPECT_THAT(client_->trouble()->message, HasSubstr("TLS"));
  EXPECT_EQ(server_->requests(), 0);
  trusting.ca_file = folder.string() + "/ca.pem";
  make(trusting);
  EXPECT_GT(id("a"), 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dstream::core
