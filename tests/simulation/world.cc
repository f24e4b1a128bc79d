#include "tests/simulation/world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "core/pipeline/checkpoint.h"
#include "core/pipeline/dead_letter.h"

namespace dstream::simulation {
namespace {

thread_local World* current_world = nullptr;

const std::string kStateDir = "/state";

}  // namespace

World::World(uint64_t seed, bool verbose)
    : random(seed), scenario(Scenario::draw(random)), disk(&random), verbose_(verbose) {
  current_world = this;
  disk.on_folder_synced = [this] {
    std::string content = disk.guaranteed(core::checkpoint_path(kStateDir, scenario.settings.name));
    if (!content.empty()) {
      check_stored(content, "after the folder was synced", &file_stored_);
    }
  };
  index_log();
}

World::~World() { current_world = nullptr; }

World* World::current() { return current_world; }

void World::index_log() {
  events_.resize(scenario.keys);
  last_rank_.assign(scenario.keys, -1);
  highest_rank_.assign(scenario.keys, -1);
  arrived_.assign(scenario.log.size(), 0);
  for (size_t i = 0; i < scenario.log.size(); ++i) {
    const Change& change = scenario.log[i];
    rank_.push_back(static_cast<int64_t>(events_[change.key].size()));
    if (change.watermark) {
      continue;
    }
    events_[change.key].push_back({static_cast<int64_t>(i), false});
    if (change.deletes && scenario.messages) {
      events_[change.key].push_back({static_cast<int64_t>(i), true});
    }
  }
}

void World::note(const std::string& what) const {
  if (verbose_) {
    std::printf("%10.3f ms  %s\n", static_cast<double>(clock.now_ns - core::kNanosPerSecond) / 1e6,
                what.c_str());
  }
}

void World::violated(const std::string& what) const {
  note("VIOLATED: " + what);
  throw Violation{what};
}

// ---- the database -------------------------------------------------------------------------------

void World::make_available(int64_t changes) {
  auto size = static_cast<int64_t>(scenario.log.size());
  available_ = std::min(available_ + changes, size);
  // Transactions are committed as a whole.
  while (available_ < size && available_ > 0 &&
         !scenario.log[static_cast<size_t>(available_ - 1)].resumable) {
    ++available_;
  }
}

void World::prune() {
  int64_t before = std::min(scenario.pruned_before, available_);
  if (before > oldest_) {
    note("pruned before " + std::to_string(before));
    oldest_ = before;
  }
}

void World::opened(const std::string& position) {
  note("source opened at '" + position + "'");
  source_open_ = source_was_open_ = true;
  if (position.empty() && oldest_ > 0) {
    bool told = scenario.settings.on_data_loss == core::OnDataLoss::kContinue;
    if (stored() > 0 && !told) {
      violated("I5: started from the oldest change although a position was stored");
    }
    gap_allowed_ = true;
  }
  stream_repeats_ = stream_repeats_ || (position.empty() ? 0 : std::stoll(position)) < read_end_;
  if (!position.empty() && std::stoll(position) < stored()) {
    violated("I4: opened at " + position + ", stored was " + std::to_string(stored()));
  }
}

void World::commit(const std::string& position) {
  note("commit(" + position + ")");
  int64_t index = std::stoll(position);
  if (index < last_commit_) {
    violated("I4: committed " + position + " after " + std::to_string(last_commit_));
  }
  last_commit_ = index;
  if (index <= sink_stored_) {
    return;
  }
  for (const auto& content :
       disk.possible(core::checkpoint_path(kStateDir, scenario.settings.name))) {
    auto parsed = core::parse_checkpoint(content.value_or(""), "checkpoint");
    if (!parsed || std::stoll(parsed->position) < index) {
      violated("I2: committed " + position + " before it was durable");
    }
  }
}

// ---- the broker ---------------------------------------------------------------------------------

uint32_t World::partition_of(int64_t change) const {
  return scenario.log[static_cast<size_t>(change)].key % scenario.partitions;
}

void World::deliver(const InFlight& item) {
  if (item.proof->as.i64 != item.change ||
      (scenario.messages && item.text != "c" + std::to_string(item.change))) {
    violated("I7: memory of change " + std::to_string(item.change) + " is gone before it settled");
  }
  if (exactly_once()) {
    pending_.push_back(item);
  } else {
    arrive(item);
  }
}

void World::arrive(const InFlight& item) {
  const Change& change = scenario.log[static_cast<size_t>(item.change)];
  int64_t rank = rank_[static_cast<size_t>(item.change)] + (item.tombstone ? 1 : 0);
  int64_t last = stream_repeats_ ? highest_rank_[change.key] : last_rank_[change.key];
  for (int64_t i = last + 1; scenario.gapless && i < rank; ++i) {
    if (!may_be_skipped(events_[change.key][static_cast<size_t>(i)])) {
      violated("I3: change " + std::to_string(item.change) + " of key " +
               std::to_string(change.key) + " arrived before change " +
               std::to_string(events_[change.key][static_cast<size_t>(i)].change));
    }
  }
  last_rank_[change.key] = rank;
  highest_rank_[change.key] = std::max(highest_rank_[change.key], rank);
  newest_arrival_ = std::max(newest_arrival_, item.change);
  uint8_t bit = item.tombstone ? 2 : 1;
  if (exactly_once() && (arrived_[static_cast<size_t>(item.change)] & bit) != 0) {
    violated("Exactly once: change " + std::to_string(item.change) + " arrived twice");
  }
  duplicates += (arrived_[static_cast<size_t>(item.change)] & bit) != 0 ? 1 : 0;
  arrived_[static_cast<size_t>(item.change)] |= bit;
  broker_.emplace_back(item.change, item.tombstone);
  note("arrived: change " + std::to_string(item.change) + (item.tombstone ? " tombstone" : ""));
}

bool World::may_be_skipped(const Event& event) const {
  const Change& change = scenario.log[static_cast<size_t>(event.change)];
  return change.rejected || change.unencodable || (gap_allowed_ && event.change < oldest_);
}

void World::decide(uint32_t partition) {
  bool after_retry = retried_partitions_.count(partition) > 0;
  for (InFlight& item : in_flight_) {
    if (item.partition != partition) {
      continue;
    }
    if (item.outcome) {
      continue;
    }
    if (after_retry && scenario.gapless) {
      item.outcome = DSTREAM_RETRY;  // What follows fails as well, so that nothing overtakes.
    } else if (!calm && random.chance(scenario.items_retried)) {
      item.outcome = DSTREAM_RETRY;
      if (!is_rejected(item) && random.chance(300)) {
        deliver(item);  // It arrived; the broker's answer did not.
      }
    } else if (is_rejected(item)) {
      item.outcome = DSTREAM_REJECTED;
    } else {
      item.outcome = DSTREAM_OK;
      deliver(item);
    }
    if (*item.outcome == DSTREAM_RETRY) {
      retried_partitions_.insert(partition);
    }
    return;
  }
}

void World::recover_partitions() {
  std::set<uint32_t> untold;
  for (const InFlight& item : in_flight_) {
    if (retried_partitions_.count(item.partition) > 0) {
      untold.insert(item.partition);
    }
  }
  retried_partitions_ = std::move(untold);
}

bool World::is_rejected(const InFlight& item) const {
  return scenario.log[static_cast<size_t>(item.change)].rejected;
}

size_t World::undecided() const {
  return static_cast<size_t>(
      std::count_if(in_flight_.begin(), in_flight_.end(),
                    [this](const InFlight& each) { return !exactly_once() || !each.outcome; }));
}

bool World::all_delivered() const {
  return std::all_of(in_flight_.begin(), in_flight_.end(),
                     [](const InFlight& each) { return each.outcome == DSTREAM_OK; });
}

void World::commit_transaction(const std::string& checkpoint) {
  for (const InFlight& item : pending_) {
    arrive(item);
  }
  pending_.clear();
  sink_checkpoint_ = checkpoint;
  check_stored(checkpoint, "after the commit", &sink_stored_);
}

std::vector<World::InFlight> World::take_committed() { return std::exchange(in_flight_, {}); }

void World::end_session() {
  settle_now = nullptr;
  if (exactly_once()) {
    pending_.clear();
    in_flight_.clear();
    retried_partitions_.clear();
    return;
  }
  for (uint32_t partition = 0; partition < scenario.partitions; ++partition) {
    bool failed = retried_partitions_.count(partition) > 0 && scenario.gapless;
    for (const InFlight& item : in_flight_) {
      if (item.partition != partition || item.outcome) {
        continue;
      }
      if (failed || random.chance(400)) {
        break;
      }
      if (!is_rejected(item)) {
        deliver(item);
      }
    }
  }
  in_flight_.clear();
  retried_partitions_.clear();
}

void World::call_ended(Caller caller, bool idle) {
  constexpr int kIdleCallsMax = 20;
  if (idle_since_ns_ != clock.now_ns) {
    idle_since_ns_ = clock.now_ns;
    std::fill(std::begin(idle_calls_), std::end(idle_calls_), 0);
  }
  int& calls = idle_calls_[static_cast<size_t>(caller)];
  calls = idle ? calls + 1 : 0;
  if (calls > kIdleCallsMax) {
    constexpr const char* kNames[] = {"read()", "write()", "poll()", "poll() of the letters"};
    violated(std::string("A worker spins: nothing to do for ") +
             kNames[static_cast<size_t>(caller)] + ", and it is called again at once");
  }
}

// ---- batches ------------------------------------------------------------------------------------

void World::batch_made(uint64_t bytes) {
  if (bytes_alive_ >= scenario.settings.queue_max_bytes) {
    violated("I6: " + std::to_string(bytes_alive_) + " bytes of batches were out, and another " +
             "one was read");
  }
  bytes_alive_ += bytes;
  ++batches_alive_;
}

void World::batch_released(uint64_t bytes) {
  bytes_alive_ -= bytes;
  --batches_alive_;
}

// ---- the judge ----------------------------------------------------------------------------------

void World::pipeline_starts() {
  newest_arrival_ = -1;
  read_end_ = 0;
  stream_repeats_ = source_open_ = source_was_open_ = commit_excused_ = false;
}

void World::crash() {
  note("the machine stops");
  ++epoch;
  end_session();
  letters.end_session();
  disk.crash();
  auto content = disk.read(core::checkpoint_path(kStateDir, scenario.settings.name), UINT64_MAX);
  if (content) {
    check_stored(*content, "after the crash", &file_stored_);
  } else if (file_stored_ > 0) {
    violated("I8: the checkpoint is gone after the crash");
  }
  if (exactly_once() && scenario.other_hosts && random.chance(300)) {
    lose_disk();
  }
}

void World::lose_disk() {
  note("another host goes on");
  disk.wipe();
  file_stored_ = 0;
}

void World::check_stored(const std::string& content, const char* when, int64_t* highest) {
  auto parsed = core::parse_checkpoint(content, "checkpoint");
  if (!parsed) {
    violated(std::string("I8: ") + when + ": " + parsed.error().text());
  }
  int64_t position = std::stoll(parsed->position);
  if (position < *highest) {
    violated(std::string("I4: ") + when + " the position is " + std::to_string(position) +
             ", it was " + std::to_string(*highest));
  }
  if (position > *highest) {
    note("durable: " + std::to_string(position));
  }
  *highest = position;
  std::set<int64_t> dead = dead_letters();
  uint64_t records = 0;
  for (int64_t i = 0; i < position; ++i) {
    records += scenario.log[static_cast<size_t>(i)].watermark ? 0 : 1;
    if (is_missing(i, dead)) {
      violated(std::string("I1: ") + when + " the position is " + std::to_string(position) +
               ", but change " + std::to_string(i) + " is neither delivered nor a dead letter");
    }
  }
  // A source that was opened again inside a transaction has read some of them twice.
  if (!gap_allowed_ &&
      (parsed->records < records || (parsed->records > records && scenario.source_fails == 0))) {
    violated("The checkpoint counts " + std::to_string(parsed->records) + " records instead of " +
             std::to_string(records));
  }
}

bool World::is_missing(int64_t change, const std::set<int64_t>& dead) const {
  const Change& facts = scenario.log[static_cast<size_t>(change)];
  uint8_t all = facts.deletes && scenario.messages ? 3 : 1;
  return !facts.watermark && arrived_[static_cast<size_t>(change)] != all &&
         dead.count(change) == 0 && !(gap_allowed_ && change < oldest_);
}

// Those whose line is durable for sure, or which their sink has.
std::set<int64_t> World::dead_letters() const {
  std::set<int64_t> out;
  for (size_t i = 0; i < scenario.log.size(); ++i) {
    if (letters.has(static_cast<int64_t>(i))) {
      out.insert(static_cast<int64_t>(i));
    }
  }
  std::string content;
  for (const std::string& path : disk.guaranteed_paths(std::string(kStateDir) + "/" +
                                                       scenario.settings.name + ".dead-letter.")) {
    content += disk.guaranteed(path) + "\n";
  }
  const std::string key = "\"source\":{\"change\":\"";
  for (size_t at = content.find(key); at != std::string::npos; at = content.find(key, at + 1)) {
    size_t line_end = content.find('\n', at);
    if (line_end != std::string::npos && content[line_end - 1] == '}') {
      out.insert(std::stoll(content.substr(at + key.size(), 20)));
    }
  }
  return out;
}

int64_t World::stored_now() const {
  std::string content = disk.guaranteed(core::checkpoint_path(kStateDir, scenario.settings.name));
  if (content.empty()) {
    return sink_stored_;
  }
  auto parsed = core::parse_checkpoint(content, "checkpoint");
  return std::max(sink_stored_, parsed ? int64_t{std::stoll(parsed->position)} : int64_t{0});
}

bool World::all_stored() const {
  auto end = static_cast<int64_t>(scenario.log.size());
  return stored_now() == end || (gap_allowed_ && oldest_ == end);
}

void World::check_clean_stop() const {
  int64_t position = stored_now();
  bool gone = gap_allowed_ && newest_arrival_ < oldest_;
  // A source that never gave a position is not read to the end of its transaction: it might have
  // none. Opened again, it does not know that it is inside one.
  bool no_position_yet = position == 0 && stream_repeats_;
  if (newest_arrival_ >= position && !gone && !no_position_yet) {
    violated("I10: after a clean stop at " + std::to_string(position) + " change " +
             std::to_string(newest_arrival_) + " would arrive again");
  }
  // The sink that says where to start may not have been there before the stop.
  bool excused = commit_excused_ || (exactly_once() && !source_was_open_);
  if (last_commit_ != position && !excused) {
    violated("I2: closed cleanly at " + std::to_string(position) + ", last commit was " +
             std::to_string(last_commit_));
  }
  if (batches_alive_ != 0) {
    violated("I7: " + std::to_string(batches_alive_) + " batches were never released");
  }
}

void World::check_end() const {
  std::set<int64_t> dead = dead_letters();
  for (size_t i = 0; i < scenario.log.size(); ++i) {
    if (is_missing(static_cast<int64_t>(i), dead)) {
      violated("I5: change " + std::to_string(i) + " was lost");
    }
  }
  if (!all_stored()) {
    violated("The last position is " + std::to_string(stored_now()) + " of " +
             std::to_string(scenario.log.size()));
  }
  check_clean_stop();
  check_last_arrivals();
}

// Whatever came twice: the last arrivals of each key are complete and in order (I3).
void World::check_last_arrivals() const {
  std::vector<std::vector<int64_t>> last(events_.size());
  for (size_t key = 0; key < events_.size(); ++key) {
    last[key].assign(events_[key].size(), -1);
  }
  for (size_t i = 0; i < broker_.size(); ++i) {
    auto [change, tombstone] = broker_[i];
    int64_t rank = rank_[static_cast<size_t>(change)] + (tombstone ? 1 : 0);
    last[scenario.log[static_cast<size_t>(change)].key][static_cast<size_t>(rank)] =
        static_cast<int64_t>(i);
  }
  for (size_t key = 0; key < last.size(); ++key) {
    int64_t before = -1;
    for (size_t rank = 0; rank < last[key].size(); ++rank) {
      bool gone = gap_allowed_ && events_[key][rank].change < oldest_;
      if (last[key][rank] < 0 || gone) {
        continue;  // What came again could not bring it along.
      }
      if (last[key][rank] < before) {
        violated("I3: key " + std::to_string(key) + " rests out of order at change " +
                 std::to_string(events_[key][rank].change));
      }
      before = last[key][rank];
    }
  }
}

}  // namespace dstream::simulation
