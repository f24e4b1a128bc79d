#include "tests/simulation/letter_broker.h"

#include <algorithm>

#include "tests/simulation/connector_parts.h"

namespace dstream::simulation {
namespace {

std::string_view view(const dstream_bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

}  // namespace

void LetterBroker::take(const dstream_delivery& delivery, uint32_t index) {
  const dstream_message& message = *DSTREAM_MESSAGE_AT(&delivery, index);
  InFlight item{};
  item.change = -1;
  for (uint32_t i = 0; i < message.header_count; ++i) {
    if (std::string_view(message.headers[i].name) == "dstream-source-change") {
      item.change = std::stoll(std::string(view(message.headers[i].value)));
    }
  }
  if (item.change < 0) {
    world_->violated("A dead letter does not say where it is from");
  }
  item.delivery_id = delivery.id;
  item.item = index;
  item.tombstone = message.value.data == nullptr;
  item.value = view(message.value);
  item.value_was = item.value;
  in_flight_.push_back(std::move(item));
}

bool LetterBroker::serve(bool everything,
                         const std::function<void(const InFlight&, dstream_status)>& settle) {
  bool any = false;
  while (!in_flight_.empty() && (everything || !world_->random.chance(300))) {
    const auto at =
        in_flight_.begin() + static_cast<std::ptrdiff_t>(world_->random.below(in_flight_.size()));
    const InFlight item = *at;
    in_flight_.erase(at);
    any = true;
    dstream_status status = DSTREAM_OK;
    if (!world_->calm && world_->random.chance(world_->scenario.items_retried)) {
      status = DSTREAM_RETRY;
      if (world_->random.chance(300)) {
        arrive(item);  // The answer did not.
      }
    } else if (world_->scenario.log[static_cast<size_t>(item.change)].letter_refused) {
      status = DSTREAM_REJECTED;
    } else {
      arrive(item);
    }
    settle(item, status);
  }
  return any;
}

void LetterBroker::arrive(const InFlight& item) {
  if (item.value != item.value_was) {
    world_->violated("I7: the letter of change " + std::to_string(item.change) +
                     " is gone before it settled");
  }
  const Change& change = world_->scenario.log[static_cast<size_t>(item.change)];
  if (!change.rejected && !change.unencodable) {
    world_->violated("Change " + std::to_string(item.change) + " is a dead letter for no reason");
  }
  if (!change.letter_refused) {
    arrived_.emplace(item.change, item.tombstone);
  }
}

void LetterBroker::end_session() {
  for (const InFlight& item : in_flight_) {
    if (world_->random.chance(400)) {
      arrive(item);
    }
  }
  in_flight_.clear();
}

bool LetterBroker::has(int64_t change) const {
  const Change& facts = world_->scenario.log[static_cast<size_t>(change)];
  const bool two = facts.deletes && facts.rejected && world_->scenario.messages;
  return arrived_.count({change, false}) > 0 && (!two || arrived_.count({change, true}) > 0);
}

// ---- the connector ------------------------------------------------------------------------------

namespace {

dstream_status create(const dstream_host* host, const char*, dstream_sink** out,
                      dstream_error*) noexcept {
  *out = new dstream_sink{host, World::current()->epoch};
  return DSTREAM_OK;
}

void settle(const dstream_sink* self, const LetterBroker::InFlight& item, dstream_status status) {
  dstream_error error{};
  error.struct_size = sizeof error;
  if (status != DSTREAM_OK) {
    say(&error, status, status == DSTREAM_RETRY ? "Not now." : "Not here either.");
  }
  World::current()->note("letter of change " + std::to_string(item.change) + " settled with " +
                         std::to_string(status));
  self->host->settle(self->host, item.delivery_id, item.item, 1, status, &error);
}

bool fails(World& world) { return !world.calm && world.random.chance(world.scenario.letters_fail); }

dstream_status open(dstream_sink*, dstream_error* error) noexcept {
  World& world = *World::current();
  return fails(world) ? fail_somehow(world, error) : dstream_status{DSTREAM_OK};
}

dstream_status write(dstream_sink*, const dstream_delivery* delivery, uint32_t first,
                     uint32_t* accepted, dstream_error* error) noexcept {
  World& world = *World::current();
  return judged([&]() -> dstream_status {
    *accepted = 0;
    for (uint32_t i = first; i < delivery->count; ++i) {
      if (fails(world)) {
        return fail_somehow(world, error);
      }
      if (world.letters.full()) {
        return DSTREAM_AGAIN;
      }
      world.letters.take(*delivery, i);
      ++*accepted;
    }
    return DSTREAM_OK;
  });
}

dstream_status serve(dstream_sink* self, bool everything, dstream_error* error) {
  World& world = *World::current();
  return judged([&]() -> dstream_status {
    if (fails(world)) {
      return fail_somehow(world, error);
    }
    const bool any =
        world.letters.serve(everything, [&](const LetterBroker::InFlight& item,
                                            dstream_status status) { settle(self, item, status); });
    world.call_ended(World::Caller::kLetters, !any);
    const bool done = everything ? world.letters.idle() : any;
    return done ? DSTREAM_OK : DSTREAM_AGAIN;
  });
}

dstream_status poll(dstream_sink* self, uint32_t, dstream_error* error) noexcept {
  return serve(self, false, error);
}
dstream_status flush(dstream_sink* self, uint32_t, dstream_error* error) noexcept {
  return serve(self, World::current()->random.chance(300), error);
}

void stop(dstream_sink*) noexcept {}

void close(dstream_sink* self) noexcept {
  World& world = *World::current();
  if (self->epoch == world.epoch) {
    judged([&] {
      world.letters.end_session();
      return dstream_status{DSTREAM_OK};
    });
  }
}

void destroy(dstream_sink* self) noexcept { delete self; }

}  // namespace

const dstream_connector& letter_connector() {
  static constexpr dstream_sink_api api = {
      sizeof(dstream_sink_api), 0, create, open, write, poll, flush, stop, close, destroy, nullptr};
  static constexpr dstream_connector connector = {sizeof(dstream_connector),
                                                  DSTREAM_CONNECTOR_MESSAGES,
                                                  "sim-letters",
                                                  "1.0.0",
                                                  "Simulated.",
                                                  R"({"type": "object"})",
                                                  nullptr,
                                                  &api};
  return connector;
}

}  // namespace dstream::simulation
