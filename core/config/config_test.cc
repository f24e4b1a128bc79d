#include "core/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/test_support.h"

namespace dstream::core {
namespace {

using test::Loaded;
using test::with_source;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kMinimal =
    "pipelines:\n"
    "  - name: people\n"
    "    source: {type: numbers, connection: tcp://db}\n"
    "    sink: {type: topics}\n";

TEST(Config, FillsInTheDefaults) {
  Loaded loaded(kMinimal);
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  ASSERT_EQ(loaded.pipelines().size(), 1u);
  const PipelineSettings& pipeline = loaded.pipelines()[0];
  EXPECT_EQ(pipeline.name, "people");
  EXPECT_EQ(pipeline.place->line, 2);
  EXPECT_EQ(pipeline.source.config_json,
            R"({"connection":"tcp://db","poll_interval":"5s","limit":10,"strict":true,)"
            R"("pause":"3s","window":{"size":"4MiB"}})");
  EXPECT_EQ(pipeline.sink.config_json, "{}");
  EXPECT_EQ(pipeline.messages.topic, "{database}.{schema}.{table}");
  EXPECT_EQ(pipeline.messages.pipeline, "people");
  PipelineSettings defaults;
  EXPECT_EQ(pipeline.messages.format, defaults.messages.format);
  EXPECT_EQ(pipeline.messages.tombstones, defaults.messages.tombstones);
  EXPECT_EQ(pipeline.messages.schema_changes, defaults.messages.schema_changes);
  EXPECT_EQ(pipeline.queue_max_bytes, defaults.queue_max_bytes);
  EXPECT_EQ(pipeline.batch_max_records, defaults.batch_max_records);
  EXPECT_EQ(pipeline.checkpoint_interval_ms, defaults.checkpoint_interval_ms);
  EXPECT_EQ(pipeline.stop_timeout_ms, defaults.stop_timeout_ms);
  EXPECT_EQ(pipeline.retry.backoff_min_ms, defaults.retry.backoff_min_ms);
  EXPECT_EQ(pipeline.retry.backoff_max_ms, defaults.retry.backoff_max_ms);
  EXPECT_EQ(pipeline.retry.max_elapsed_ms, defaults.retry.max_elapsed_ms);
  EXPECT_EQ(pipeline.retry.denied_for_ms, defaults.retry.denied_for_ms);
  EXPECT_EQ(loaded.config().host().log_level, LogLevel::kInfo);
  EXPECT_FALSE(loaded.config().host().state_dir.has_value());
}

TEST(Config, ReadsEveryKey) {
  Loaded loaded(R"(
plugin_dirs: [/opt/plugins, mine]
state_dir: state
log: {level: debug, format: json}
pipelines:
  - name: people.v2
    source: {type: numbers, connection: x, window: {size: 1MiB}}
    sink: {type: topics, topic: "{pipeline}-{table}", brokers: b:9092}
    format:
      type: debezium-json
      schemas_enable: true
      tombstones: false
      schema_changes: false
      topic_prefix: crm
      large_integers_as_strings: true
    key: {columns: {dbo.Cars: [Id, Part]}, allow_none: true}
    delivery: at_least_once
    queue: {max_bytes: 8MiB, batch_max_records: 50}
    checkpoint: {interval: 2s}
    stop_timeout: 1m
    retry: {backoff_min: 1s, backoff_max: 10s, max_elapsed: 1h, denied_for: 0s}
    on_reject: dead_letter
    on_data_loss: continue
)");
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  const HostSettings& host = loaded.config().host();
  EXPECT_EQ(host.plugin_dirs,
            (std::vector<std::string>{"/opt/plugins", loaded.folder() + "/mine"}));
  EXPECT_EQ(host.state_dir, loaded.folder() + "/state");
  EXPECT_EQ(host.log_level, LogLevel::kDebug);
  EXPECT_EQ(host.log_format, LogFormat::kJson);
  const PipelineSettings& pipeline = loaded.pipelines()[0];
  EXPECT_EQ(pipeline.sink.config_json, R"({"brokers":"b:9092"})");
  EXPECT_EQ(pipeline.messages.topic, "{pipeline}-{table}");
  EXPECT_EQ(pipeline.messages.format, "debezium-json");
  EXPECT_TRUE(pipeline.messages.schemas_enable);
  EXPECT_FALSE(pipeline.messages.tombstones);
  EXPECT_FALSE(pipeline.messages.schema_changes);
  EXPECT_EQ(pipeline.messages.topic_prefix, "crm");
  EXPECT_TRUE(pipeline.messages.large_integers_as_strings);
  EXPECT_TRUE(pipeline.messages.allow_no_key);
  EXPECT_EQ(pipeline.messages.key_columns.at("dbo.Cars"), (std::vector<std::string>{"Id", "Part"}));
  EXPECT_EQ(pipeline.queue_max_bytes, 8ull << 20);
  EXPECT_EQ(pipeline.batch_max_records, 50u);
  EXPECT_EQ(pipeline.checkpoint_interval_ms, 2000);
  EXPECT_EQ(pipeline.stop_timeout_ms, 60'000);
  EXPECT_EQ(pipeline.retry.backoff_min_ms, 1000);
  EXPECT_EQ(pipeline.retry.backoff_max_ms, 10'000);
  EXPECT_EQ(pipeline.retry.max_elapsed_ms, 3'600'000);
  EXPECT_EQ(pipeline.retry.denied_for_ms, 0);
  EXPECT_EQ(pipeline.on_reject, OnReject::kDeadLetter);
  EXPECT_EQ(pipeline.on_data_loss, OnDataLoss::kContinue);
}

TEST(Config, TypesScalarsByTheSchema) {
  Loaded loaded(
      with_source("      connection: 12345\n"
                  "      label: 5\n"
                  "      limit: 50\n"
                  "      ratio: 2\n"
                  "      strict: false\n"
                  "      tables: [1.5, {name: 0x10, poll_interval: 10s}]\n"));
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  EXPECT_EQ(loaded.pipelines()[0].source.config_json,
            R"({"connection":"12345","label":"5","limit":50,"ratio":2,"strict":false,)"
            R"("tables":["1.5",{"name":"0x10","poll_interval":"10s"}],)"
            R"("poll_interval":"5s","pause":"3s","window":{"size":"4MiB"}})");
}

TEST(Config, FillsDefaultsOfMappingsInLists) {
  Loaded loaded(with_source("      connection: x\n      tables: [{name: dbo.Cars}]\n"));
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  EXPECT_THAT(loaded.pipelines()[0].source.config_json,
              HasSubstr(R"("tables":[{"name":"dbo.Cars","poll_interval":"5s"}])"));
}

TEST(Config, TypesReferencesByTheSchemaToo) {
  Loaded loaded(with_source("      connection: \"${env:DB}\"\n      limit: \"${env:LIMIT}\"\n"
                            "      label: ${env:LIMIT}\n"),
                {{"DB", "true"}, {"LIMIT", "42"}});
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  EXPECT_THAT(loaded.pipelines()[0].source.config_json,
              HasSubstr(R"({"connection":"true","limit":42,"label":"42",)"));
}

TEST(Config, ReadsAWordThatMeansNothingAsTextWhereTextIsWanted) {
  Loaded loaded(with_source("      connection: null\n"));
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  EXPECT_THAT(loaded.pipelines()[0].source.config_json, HasSubstr(R"("connection":"null")"));
  EXPECT_EQ(Loaded(with_source("      connection:\n")).brief(), "5:7 DS-CONFIG-TYPE");
}

TEST(ConfigBadInput, UnknownKey) {
  Loaded top("pipelnes: []\n");
  EXPECT_EQ(top.brief(), "1:1 DS-CONFIG-MISSING-KEY\n1:1 DS-CONFIG-UNKNOWN-KEY");
  EXPECT_THAT(top.text(), HasSubstr("Did you mean \"pipelines\"?"));

  Loaded source(with_source("      connection: x\n      pol_interval: 5s\n"));
  EXPECT_EQ(source.brief(), "6:7 DS-CONFIG-UNKNOWN-KEY");
  EXPECT_THAT(source.text(), HasSubstr("f.yaml:6:7: DS-CONFIG-UNKNOWN-KEY: pipelines[0].source "
                                       "has no key \"pol_interval\". Hint: Did you mean "
                                       "\"poll_interval\"? Known keys: type, connection, "));

  Loaded nested(with_source("      connection: x\n      tables: [{name: a, pol: 1}]\n"));
  EXPECT_EQ(nested.brief(), "6:26 DS-CONFIG-UNKNOWN-KEY");
}

TEST(ConfigBadInput, UnknownKeyWhereTheConnectorForgotToSaySo) {
  Loaded loaded(
      "pipelines:\n- name: a\n  source: {type: numbers, connection: x}\n"
      "  sink: {type: topics, brokrs: x}\n");
  EXPECT_EQ(loaded.brief(), "4:24 DS-CONFIG-UNKNOWN-KEY");
  EXPECT_THAT(loaded.text(), HasSubstr("Did you mean \"brokers\"?"));
}

TEST(ConfigBadInput, WrongType) {
  EXPECT_EQ(Loaded("pipelines: 5\n").brief(), "1:12 DS-CONFIG-TYPE");
  EXPECT_EQ(Loaded("just text\n").brief(), "1:1 DS-CONFIG-TYPE");
  Loaded limit(with_source("      connection: x\n      limit: many\n"));
  EXPECT_EQ(limit.brief(), "6:14 DS-CONFIG-TYPE");
  EXPECT_THAT(limit.text(),
              HasSubstr("pipelines[0].source.limit must be an integer, not \"many\"."));
  Loaded list(with_source("      connection: [x]\n"));
  EXPECT_THAT(list.text(), HasSubstr("source.connection must be a string, not a list."));
  Loaded either(with_source("      connection: x\n      tables: [[dbo.Cars]]\n"));
  EXPECT_EQ(either.brief(), "6:16 DS-CONFIG-TYPE");
  EXPECT_THAT(either.text(), HasSubstr("tables[0] must be a string or a mapping, not a list."));
  Loaded quoted(with_source("      connection: x\n      limit: \"5\"\n"));
  EXPECT_EQ(quoted.brief(), "6:14 DS-CONFIG-TYPE");
}

TEST(ConfigBadInput, WrongValue) {
  Loaded mode(with_source("      connection: x\n      mode: fsat\n"));
  EXPECT_EQ(mode.brief(), "6:13 DS-CONFIG-VALUE");
  EXPECT_THAT(mode.text(), HasSubstr("source.mode must be one of fast and careful, not \"fsat\". "
                                     "Hint: Did you mean fast?"));
  Loaded limit(with_source("      connection: x\n      limit: 101\n"));
  EXPECT_THAT(limit.text(), HasSubstr("source.limit must be between 1 and 100, not 101."));
  Loaded interval(with_source("      connection: x\n      poll_interval: 5\n"));
  EXPECT_EQ(interval.brief(), "6:22 DS-CONFIG-VALUE");
  EXPECT_THAT(interval.text(), HasSubstr("must be a duration such as 250ms, 5s, 2m or 1h, not "
                                         "\"5\"."));
  Loaded low(with_source("      connection: x\n      poll_interval: 5ms\n"));
  EXPECT_THAT(low.text(), HasSubstr("must be at least 10ms, not \"5ms\"."));
  Loaded size(with_source("      connection: x\n      window: {size: 5MB}\n"));
  EXPECT_THAT(size.text(), HasSubstr("window.size must be a size such as"));
  Loaded pattern(with_source("      connection: x\n      tables: [Cars]\n"));
  EXPECT_EQ(pattern.brief(), "6:16 DS-CONFIG-VALUE");
  EXPECT_THAT(pattern.text(), HasSubstr("must be a table such as dbo.Persons, not \"Cars\"."));
  Loaded pause(with_source("      connection: x\n      pause: 5m\n"));
  EXPECT_THAT(pause.text(), HasSubstr("source.pause must be text such as 5s and 10s, not"));
  Loaded count(with_source("      connection: x\n      tables: []\n"));
  EXPECT_THAT(count.text(), HasSubstr("must be a list of at least 1 items."));
  Loaded empty(with_source("      connection: \"\"\n"));
  EXPECT_THAT(empty.text(), HasSubstr("must be text that is not empty."));
}

// std::regex recurses once a character; a long text must not reach it.
TEST(ConfigBadInput, LongTextWithAPattern) {
  Loaded loaded(
      with_source("      connection: x\n      tables: [" + std::string(500'000, 'a') + "]\n"));
  EXPECT_EQ(loaded.brief(), "6:16 DS-CONFIG-VALUE");
  Loaded name("pipelines:\n- name: " + std::string(500'000, 'a') +
              "\n  source: {type: numbers}\n  sink: {type: lines}\n");
  EXPECT_EQ(name.brief(), "2:9 DS-CONFIG-VALUE");
}

// Long enough to show how deep std::regex goes for what may reach it.
TEST(Config, TakesLongTextWithAPattern) {
  std::string table(2000, 'a');
  table += "." + std::string(2000, 'b');
  Loaded loaded(with_source("      connection: x\n      tables: [" + table + "]\n"));
  EXPECT_TRUE(loaded.ok()) << loaded.text();
}

TEST(ConfigBadInput, MissingKey) {
  Loaded loaded("pipelines:\n  - name: a\n    source: {}\n");
  EXPECT_EQ(loaded.brief(), "2:5 DS-CONFIG-MISSING-KEY\n3:13 DS-CONFIG-MISSING-KEY");
  EXPECT_THAT(loaded.text(), HasSubstr("pipelines[0] needs the key \"sink\"."));
}

TEST(ConfigBadInput, DuplicatePipelineName) {
  std::string one =
      "  - name: a\n    source: {type: numbers, connection: x}\n"
      "    sink: {type: lines}\n";
  Loaded loaded("pipelines:\n" + one + one);
  EXPECT_EQ(loaded.brief(), "5:11 DS-CONFIG-DUPLICATE-PIPELINE");
  EXPECT_THAT(loaded.text(), HasSubstr("f.yaml:2:11."));
}

TEST(ConfigBadInput, DuplicatePipelineNameInTwoFiles) {
  std::string one = "name: a\nsource: {type: numbers, connection: x}\nsink: {type: lines}\n";
  Loaded loaded({{"1.yaml", one}, {"2.yaml", one}});
  EXPECT_EQ(loaded.brief(), "1:7 DS-CONFIG-DUPLICATE-PIPELINE");
  EXPECT_THAT(loaded.errors()[0].place->file, HasSubstr("2.yaml"));
  EXPECT_THAT(loaded.text(), HasSubstr("1.yaml:1:7."));
}

TEST(ConfigBadInput, PipelineName) {
  for (const char* name : {"-a", "A", "a/b", "../x", "''", "a b", ".a"}) {
    Loaded loaded(std::string("name: ") + name +
                  "\nsource: {type: numbers, connection: x}\nsink: {type: lines}\n");
    EXPECT_EQ(loaded.brief(), "1:7 DS-CONFIG-VALUE") << name;
  }
}

TEST(ConfigBadInput, MissingEnvironmentVariable) {
  Loaded loaded(with_source("      connection: sqlserver://${env:NOT_SET}\n"));
  EXPECT_EQ(loaded.brief(), "5:19 DS-CONFIG-ENVIRONMENT");
  EXPECT_THAT(loaded.text(), HasSubstr("source.connection: The environment variable NOT_SET is "
                                       "not set. Hint: Set it"));
  Loaded name("name: ${env:NOT_SET}\nsource: {type: numbers}\nsink: {type: lines}\n");
  EXPECT_EQ(name.brief(), "1:7 DS-CONFIG-ENVIRONMENT");
}

TEST(ConfigBadInput, MissingFileOfAReference) {
  Loaded loaded(with_source("      connection: ${file:none}\n"));
  EXPECT_EQ(loaded.brief(), "5:19 DS-CONFIG-REFERENCE-FILE");
}

TEST(ConfigBadInput, SeveralErrorsAtOnce) {
  Loaded loaded(
      "log: {level: loud}\npipelines:\n- name: a\n  source: {type: numbers}\n"
      "  sink: {type: lines}\n  queue: {max_bytes: 1}\n  on_rejct: stop\n");
  EXPECT_EQ(loaded.brief(),
            "1:14 DS-CONFIG-VALUE\n6:22 DS-CONFIG-VALUE\n7:3 DS-CONFIG-UNKNOWN-KEY");
}

TEST(ConfigBadInput, EmptyFileAndNoPipelines) {
  EXPECT_EQ(Loaded("").brief(), "1:1 DS-CONFIG-EMPTY");
  EXPECT_EQ(Loaded("pipelines: []\n").brief(), "0:0 DS-CONFIG-NO-PIPELINES");
}

TEST(ConfigKeys, DeliveryIsAtLeastOnceUnlessWritten) {
  const std::string start =
      "name: a\nsource: {type: numbers, connection: x}\nsink: {type: lines}\n";
  EXPECT_FALSE(Loaded(start).pipelines().at(0).exactly_once);
  EXPECT_TRUE(Loaded(start + "delivery: exactly_once\n").pipelines().at(0).exactly_once);
}

TEST(ConfigKeys, DataLossMayBeMendedByTheSource) {
  const std::string start =
      "name: a\nsource: {type: numbers, connection: x}\nsink: {type: lines}\n";
  EXPECT_EQ(Loaded(start + "on_data_loss: resnapshot\n").pipelines().at(0).on_data_loss,
            OnDataLoss::kResnapshot);
}

TEST(ConfigKeys, DeadLettersMayHaveASinkOfTheirOwn) {
  const std::string start =
      "name: a\nsource: {type: numbers, connection: x}\nsink: {type: lines}\ndead_letter:\n";
  EXPECT_FALSE(Loaded(start + "  files_max: 3\n").pipelines().at(0).dead_letter.sink);
  Loaded loaded(start +
                "  sink: {type: topics, topic: \"{pipeline}.dead\", password: secret-word, "
                "brokers: b}\n");
  const DeadLetterSettings settings = loaded.pipelines().at(0).dead_letter;
  ASSERT_TRUE(settings.sink);
  EXPECT_EQ(settings.sink->type, "topics");
  EXPECT_EQ(settings.topic, "{pipeline}.dead");
  EXPECT_THAT(settings.sink->config_json, HasSubstr("\"brokers\":\"b\""));
  EXPECT_EQ(settings.files_max, 16u);
  EXPECT_THAT(loaded.config().shown_json(), HasSubstr("{pipeline}.dead"));
  EXPECT_THAT(loaded.config().shown_json(), Not(HasSubstr("secret-word")));

  EXPECT_EQ(Loaded(start + "  sink: {type: topics}\n").brief(), "5:3 DS-CONFIG-MISSING-KEY");
  EXPECT_EQ(Loaded(start + "  sink: {type: topics, topic: \"{tabel}\"}\n").brief(),
            "5:31 DS-TOPIC-TEMPLATE");
  EXPECT_EQ(Loaded(start + "  sink: {type: lines, topic: t}\n").brief(),
            "5:16 DS-CONFIG-UNSUPPORTED");
  EXPECT_EQ(Loaded(start + "  sink: {type: topisc, topic: t}\n").brief(), "5:16 DS-PLUGIN-UNKNOWN");
  EXPECT_EQ(Loaded(start + "  sink: {type: topics, topic: t, brokrs: x}\n").brief(),
            "5:34 DS-CONFIG-UNKNOWN-KEY");
}

TEST(ConfigBadInput, WhatThisVersionCannotDo) {
  std::string start = "name: a\nsource: {type: numbers, connection: x}\nsink: {type: lines}\n";
  EXPECT_EQ(Loaded(start + "retry: {backoff_min: 2m}\n").brief(), "4:1 DS-CONFIG-VALUE");
}

TEST(ConfigBadInput, UnknownConnector) {
  Loaded typo("name: a\nsource: {type: numebrs}\nsink: {type: lines}\n");
  EXPECT_EQ(typo.brief(), "2:16 DS-PLUGIN-UNKNOWN");
  EXPECT_THAT(typo.text(), HasSubstr("No plugin offers the source \"numebrs\". Hint: Did you mean "
                                     "numbers? Known sources: numbers."));
  Loaded side("name: a\nsource: {type: topics}\nsink: {type: lines}\n");
  EXPECT_THAT(side.text(), HasSubstr("topics is a sink."));
}

TEST(ConfigBadInput, PartitionTemplate) {
  const std::string start =
      "name: a\nsource: {type: numbers, connection: x}\nsink: {type: topics}\n";
  EXPECT_EQ(Loaded(start + "partition: \"{column:id}\"\n").brief(), "");
  EXPECT_EQ(Loaded(start + "partition: \"{table}\"\n").brief(), "4:12 DS-PARTITION-TEMPLATE");
  EXPECT_EQ(Loaded(start + "partition: north\n").brief(), "4:12 DS-PARTITION-TEMPLATE");
  EXPECT_EQ(Loaded(start + "partition: \"\"\n").brief(), "4:12 DS-CONFIG-VALUE");
}

TEST(ConfigBadInput, TopicTemplate) {
  Loaded loaded(
      "name: a\nsource: {type: numbers, connection: x}\n"
      "sink: {type: topics, topic: \"{tabel}\"}\n");
  EXPECT_EQ(loaded.brief(), "3:29 DS-TOPIC-TEMPLATE");
  Loaded records(
      "name: a\nsource: {type: numbers, connection: x}\n"
      "sink: {type: lines, topic: x}\n");
  EXPECT_EQ(records.brief(), "3:21 DS-CONFIG-UNKNOWN-KEY");
}

TEST(ConfigFiles, TakesAFolder) {
  Loaded loaded({{"dstream.yaml", "log: {level: warn}\npipelines: []\n"},
                 {"pipelines/b.yaml",
                  "- {name: b1, source: {type: numbers, connection: x}, sink: {type: lines}}\n"
                  "- {name: b2, source: {type: numbers, connection: x}, sink: {type: lines}}\n"},
                 {"pipelines/a.yml",
                  "name: a\nsource: {type: numbers, connection: x}\nsink: {type: lines}\n"},
                 {"pipelines/notes.txt", "not YAML: ["}},
                {"."});
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  ASSERT_EQ(loaded.pipelines().size(), 3u);
  EXPECT_EQ(loaded.pipelines()[0].name, "a");
  EXPECT_EQ(loaded.pipelines()[2].name, "b2");
  EXPECT_EQ(loaded.config().host().log_level, LogLevel::kWarn);
}

TEST(ConfigFiles, NamesTheFileOfAnError) {
  Loaded loaded({{"dstream.yaml", "pipelines: []\n"},
                 {"pipelines/a.yaml", "name: a\nsource: {type: numbers}\nsink: {type: lines}\n"}},
                {"."});
  EXPECT_EQ(loaded.brief(), "2:9 DS-CONFIG-MISSING-KEY");
  EXPECT_THAT(loaded.errors()[0].place->file, HasSubstr("pipelines/a.yaml"));
}

TEST(ConfigFiles, RefusesOneKeyInTwoFiles) {
  std::string pipeline =
      "pipelines: [{name: a, source: {type: numbers, connection: x}, "
      "sink: {type: lines}}]\n";
  Loaded loaded(
      {{"1.yaml", pipeline + "state_dir: a\n"}, {"2.yaml", "pipelines: []\nstate_dir: b\n"}});
  EXPECT_EQ(loaded.brief(), "2:1 DS-CONFIG-DUPLICATE-KEY");
  Loaded folders({{"1.yaml", pipeline + "plugin_dirs: [/a]\n"},
                  {"2.yaml", "pipelines: []\nplugin_dirs: [/b]\n"}});
  ASSERT_TRUE(folders.ok()) << folders.text();
  EXPECT_EQ(folders.config().host().plugin_dirs, (std::vector<std::string>{"/a", "/b"}));
}

TEST(ConfigFiles, RefusesWhatIsNotThere) {
  Loaded missing({{"a", ""}}, {"nowhere.yaml"});
  EXPECT_EQ(missing.brief(), "0:0 DS-CONFIG-FILE");
  Loaded empty({{"folder/a.txt", ""}}, {"folder"});
  EXPECT_EQ(empty.brief(), "0:0 DS-CONFIG-FILE");
}

TEST(ConfigWarnings, SaysWhatHasNoEffect) {
  Loaded loaded(
      "pipelines:\n- name: a\n"
      "  source: {type: numbers, connection: x}\n  sink: {type: lines}\n"
      "  format: {type: json}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  ASSERT_EQ(loaded.config().warnings().size(), 1u);
  EXPECT_EQ(loaded.config().warnings()[0].code, "DS-CONFIG-UNUSED");
  EXPECT_EQ(loaded.config().warnings()[0].place->line, 5);
}

TEST(ConfigAdmin, ListensOnThisMachineUnlessToldOtherwise) {
  const std::string rest =
      "pipelines:\n- name: a\n"
      "  source: {type: numbers, connection: x}\n  sink: {type: lines}\n";
  for (const char* own : {"127.0.0.1:9707", "127.8.9.10:1", "\"[::1]:9707\"", "LocalHost:9707"}) {
    Loaded loaded("admin: {listen: " + std::string(own) + "}\n" + rest);
    ASSERT_TRUE(loaded.ok()) << loaded.text();
    EXPECT_TRUE(loaded.config().warnings().empty()) << own;
  }
  for (const char* open : {"0.0.0.0:9707", "\"[::]:9707\"", "10.0.0.1:9707", "db.example:9707",
                           "127.evil.example:9707"}) {
    Loaded refused("admin: {listen: " + std::string(open) + "}\n" + rest);
    EXPECT_EQ(refused.brief(), "1:17 DS-CONFIG-ADMIN-REMOTE") << open;
    Loaded loaded("admin: {listen: " + std::string(open) + ", allow_remote: true}\n" + rest);
    ASSERT_TRUE(loaded.ok()) << loaded.text();
    ASSERT_EQ(loaded.config().warnings().size(), 1u) << open;
    EXPECT_EQ(loaded.config().warnings()[0].code, "DS-CONFIG-ADMIN-REMOTE");
  }
  Loaded named("admin: {listen: LocalHost:9707}\n" + rest);
  EXPECT_EQ(named.config().host().admin_listen, "LocalHost:9707");
  EXPECT_EQ(named.config().host().admin_host, "localhost");
}

TEST(ConfigSecrets, AreReadAgainFromTheirFiles) {
  test::TemporaryFolder secrets;
  std::string file = secrets.write("token", "first-secret\n");
  Loaded loaded(
      "pipelines:\n- name: a\n"
      "  source: {type: numbers, connection: \"${file:" +
      file +
      "}\"}\n"
      "  sink: {type: topics, topic: t, brokers: b}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  const auto reread = [&loaded](Role role) {
    return loaded.config().reread_connector("a", role, test::test_plugins());
  };
  EXPECT_EQ(reread(Role::kSource).value(), loaded.pipelines()[0].source.config_json);
  EXPECT_EQ(reread(Role::kSink).value(), loaded.pipelines()[0].sink.config_json);

  secrets.write("token", "second-secret\n");
  EXPECT_THAT(reread(Role::kSource).value(), HasSubstr("second-secret"));
  EXPECT_EQ(loaded.config().redactor()->apply("the second-secret"), "the [redacted]");
  EXPECT_THAT(loaded.config().shown_json(), HasSubstr("${file:"));

  std::filesystem::remove(file);
  auto gone = reread(Role::kSource);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, "DS-CONFIG-REFERENCE-FILE");
  secrets.write("token", "");
  EXPECT_FALSE(reread(Role::kSource).has_value()) << "the schema wants a text there";
}

TEST(ConfigSecrets, AreNotShown) {
  test::TemporaryFolder secrets;
  std::string file = secrets.write("token", "file-secret-9\n");
  Loaded loaded(
      "pipelines:\n- name: a\n"
      "  source:\n    type: numbers\n    connection: tcp://u:plain-secret-1@h\n"
      "    label: ${file:" +
          file +
          "}\n    window: {pin: 4711}\n"
          "  sink: {type: topics, password: \"${env:PASSWORD}\", brokers: \"${env:BROKERS}\"}\n"
          "- name: b\n  source: {type: numbers, connection: \"x:${env:PASSWORD}\"}\n"
          "  sink: {type: lines}\n",
      {{"PASSWORD", "env-secret-2"}, {"BROKERS", "b:9092"}});
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  for (const std::string& shown : {loaded.config().shown_json(), loaded.config().shown_yaml()}) {
    for (const char* secret : {"plain-secret-1", "file-secret-9", "4711", "env-secret-2"}) {
      EXPECT_THAT(shown, Not(HasSubstr(secret)));
    }
    EXPECT_THAT(shown, HasSubstr("${env:PASSWORD}"));
    EXPECT_THAT(shown, HasSubstr("${env:BROKERS}"));
    EXPECT_THAT(shown, HasSubstr("[redacted]"));
    EXPECT_THAT(shown, Not(HasSubstr("x:${env:PASSWORD}")));
    EXPECT_THAT(shown, HasSubstr("4MiB"));
  }
  auto redactor = loaded.config().redactor();
  EXPECT_EQ(redactor->apply("login of tcp://u:plain-secret-1@h failed: 'plain-secret-1', "
                            "file-secret-9, env-secret-2, 4711, b:9092"),
            "login of [redacted] failed: '[redacted]', [redacted], [redacted], [redacted], b:9092");
}

TEST(ConfigSecrets, ThePasswordOfTheRegistryIsReadAgain) {
  test::TemporaryFolder secrets;
  const std::string file = secrets.write("registry", "first-secret\n");
  Loaded loaded(
      "pipelines:\n- name: a\n  source: {type: numbers, connection: x}\n"
      "  sink: {type: topics, brokers: b}\n  format:\n    type: avro\n"
      "    registry: {url: \"https://r:8081\", username: key1, password: \"${file:" +
      file + "}\"}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  EXPECT_EQ(loaded.config().reread_registry("a").value(), loaded.pipelines()[0].messages.registry);
  secrets.write("registry", "second-secret\n");
  EXPECT_EQ(loaded.config().reread_registry("a").value().password, "second-secret");
  EXPECT_EQ(loaded.config().redactor()->apply("the second-secret"), "the [redacted]");
  std::filesystem::remove(file);
  EXPECT_EQ(loaded.config().reread_registry("a").error().code, "DS-CONFIG-REFERENCE-FILE");
}

TEST(ConfigSecrets, ThePasswordOfTheRegistryIsNotShown) {
  Loaded loaded(
      "pipelines:\n- name: a\n  source: {type: numbers, connection: x}\n"
      "  sink: {type: topics, brokers: b}\n"
      "  format:\n    type: avro\n"
      "    registry: {url: \"https://r:8081/api/\", username: key1, password: plain-secret-1}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.text();
  const RegistrySettings& registry = loaded.pipelines()[0].messages.registry;
  EXPECT_EQ(registry.url, "https://r:8081/api");
  EXPECT_EQ(registry.username, "key1");
  EXPECT_EQ(registry.password, "plain-secret-1");
  EXPECT_TRUE(registry.register_schemas);
  EXPECT_THAT(loaded.config().shown_yaml(), Not(HasSubstr("plain-secret-1")));
  EXPECT_EQ(loaded.config().redactor()->apply("plain-secret-1"), "[redacted]");
}

TEST(Config, AvroNeedsARegistry) {
  Loaded loaded(
      "pipelines:\n- name: a\n  source: {type: numbers, connection: x}\n"
      "  sink: {type: topics, brokers: b}\n  format: {type: avro}\n");
  EXPECT_EQ(loaded.brief(), "5:18 DS-CONFIG-MISSING-KEY");
}

TEST(ConfigSecrets, AreNotInErrors) {
  Loaded loaded(with_source("      connection: x\n"
                            "      limit: sqlserver://sa:hunter2@db\n"
                            "      ratio: ${env:TOKEN}\n"
                            "      strict: PWD=hunter2;\n"),
                {{"TOKEN", "hunter2"}});
  EXPECT_EQ(loaded.errors().size(), 3u);
  EXPECT_THAT(loaded.text(), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace dstream::core
