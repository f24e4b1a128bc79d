#include "tests/simulation/scenario.h"

#include <algorithm>

namespace dstream::simulation {
namespace {

// Most worlds are calm in most ways; what goes wrong, goes wrong often.
uint64_t draw_rate(Random& random, uint64_t per_mille_max) {
  return random.chance(500)
             ? 0
             : static_cast<uint64_t>(random.between(1, static_cast<int64_t>(per_mille_max)));
}

void draw_log(Random& random, Scenario& scenario) {
  scenario.keys = static_cast<uint32_t>(random.between(1, 6));
  bool all_resumable = random.chance(400);
  uint64_t rejected = random.chance(250) ? 40 : 0;
  uint64_t unencodable = scenario.messages && random.chance(150) ? 40 : 0;
  std::vector<uint32_t> next_sequence(scenario.keys, 0);
  int64_t transactions = random.between(1, 25);
  for (int64_t i = 0; i < transactions; ++i) {
    int64_t size = random.chance(100) ? random.between(10, 40) : random.between(1, 6);
    for (int64_t j = 0; j < size; ++j) {
      Change change;
      change.key = static_cast<uint32_t>(random.below(scenario.keys));
      change.sequence = next_sequence[change.key]++;
      change.deletes = random.chance(150);
      change.resumable = all_resumable || j == size - 1;
      change.rejected = random.chance(rejected);
      change.unencodable = !change.rejected && random.chance(unencodable);
      scenario.log.push_back(change);
    }
    if (random.chance(150)) {
      Change watermark;
      watermark.watermark = watermark.resumable = true;
      scenario.log.push_back(watermark);
    }
  }
}

void draw_settings(Random& random, Scenario& scenario) {
  core::PipelineSettings& settings = scenario.settings;
  settings.name = "sim";
  settings.source.type = "sim-source";
  settings.source.config_json = settings.sink.config_json = "{}";
  settings.sink.type = scenario.messages ? "sim-messages" : "sim-records";
  settings.queue_max_bytes = static_cast<uint64_t>(random.between(200, 20'000));
  settings.batch_max_records = static_cast<uint32_t>(random.between(1, 20));
  settings.checkpoint_interval_ms = random.between(1, 500);
  settings.stop_timeout_ms = random.between(50, 20'000);
  settings.retry.backoff_max_ms = random.between(100, 5'000);
  settings.on_reject = random.chance(300) ? core::OnReject::kStop : core::OnReject::kDeadLetter;
  // Small enough for many files.
  settings.dead_letter.file_bytes_max =
      random.chance(500) ? static_cast<uint64_t>(random.between(1, 4000)) : uint64_t{1} << 20;
  settings.dead_letter.files_max = 100'000;
  settings.on_data_loss =
      random.chance(500) ? core::OnDataLoss::kStop : core::OnDataLoss::kContinue;
}

void draw_exactly_once(Random& random, Scenario& scenario) {
  scenario.settings.exactly_once = true;
  // One failure undoes a whole transaction; with many of them none would ever be committed.
  scenario.items_retried = std::min<uint64_t>(scenario.items_retried, 10);
  scenario.sink_fails = std::min<uint64_t>(scenario.sink_fails, 30);
  bool resumable = true;
  bool dead_letters = false;
  for (const Change& change : scenario.log) {
    resumable = resumable && change.resumable;
    dead_letters = dead_letters || change.rejected || change.unencodable;
  }
  if (!resumable) {
    // The largest transaction must fit, in batches of one record with an arena each.
    scenario.settings.queue_max_bytes = static_cast<uint64_t>(random.between(4, 8)) << 20;
  }
  // Dead letters stay with the host that wrote them.
  scenario.other_hosts = !dead_letters && random.chance(400);
}

void draw_dead_letter_sink(Random& random, Scenario& scenario) {
  const bool any = std::any_of(scenario.log.begin(), scenario.log.end(), [](const Change& each) {
    return each.rejected || each.unencodable;
  });
  if (!any || scenario.settings.on_reject != core::OnReject::kDeadLetter || random.chance(500)) {
    return;
  }
  scenario.settings.dead_letter.sink = core::ConnectorSettings{"sim-letters", "{}", std::nullopt};
  scenario.settings.dead_letter.topic = "dead.{pipeline}";
  scenario.letters_fail = draw_rate(random, 300);
  const uint64_t refused = draw_rate(random, 700);
  for (Change& change : scenario.log) {
    change.letter_refused = random.chance(refused);
  }
}

}  // namespace

Scenario Scenario::draw(Random& random) {
  Scenario out;
  out.messages = random.chance(650);
  out.gapless = random.chance(800);
  out.settles_in_write = random.chance(200);
  out.ends = random.chance(700);
  out.sink_capacity = static_cast<uint32_t>(random.between(1, 48));
  out.partitions = static_cast<uint32_t>(random.between(1, 3));
  out.row_bytes = static_cast<uint32_t>(random.between(10, 400));
  draw_log(random, out);
  draw_settings(random, out);
  if (random.chance(80)) {
    out.pruned_before = random.between(1, static_cast<int64_t>(out.log.size()));
  }
  out.source_fails = draw_rate(random, 150);
  out.sink_fails = draw_rate(random, 100);
  out.items_retried = draw_rate(random, 150);
  out.disk_fails = draw_rate(random, 300);
  out.crashes = draw_rate(random, 15);
  out.stops = draw_rate(random, 10);
  if (random.chance(350)) {
    draw_exactly_once(random, out);
  }
  // From a branch of the numbers: seeds without it still mean what they did.
  Random branch(Random(random).next());
  draw_dead_letter_sink(branch, out);
  return out;
}

}  // namespace dstream::simulation
