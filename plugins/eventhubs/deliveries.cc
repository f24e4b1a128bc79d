#include "deliveries.h"

#include <cstdio>

namespace eventhubs {
namespace {

dstream_error make_error(const ItemError& error, uint32_t retry_after_ms) {
  dstream_error out{};
  out.struct_size = sizeof out;
  out.vendor_code = error.code;
  out.retry_after_ms = retry_after_ms;
  std::snprintf(out.message, sizeof out.message, "%s", error.text.c_str());
  return out;
}

}  // namespace

void Deliveries::begin(const dstream::Delivery& delivery, uint32_t first) {
  if (has_current_) {
    const Run& run = runs_[current_];
    if (run.in_use && run.delivery_id == delivery.id() && run.first + run.states.size() == first &&
        run.messages == reinterpret_cast<const char*>(delivery.raw()->messages)) {
      return;  // the next part of a delivery that was taken in part
    }
  }
  if (!has_current_ || !runs_[current_].states.empty()) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(runs_.size()));
      runs_.emplace_back();
    }
    current_ = free_.back();
    free_.pop_back();
    has_current_ = true;
  }
  Run& run = runs_[current_];
  run.delivery_id = delivery.id();
  run.messages = reinterpret_cast<const char*>(delivery.raw()->messages);
  run.message_stride = delivery.raw()->message_stride;
  run.first = first;
  run.settled = 0;
  run.touched = false;
  run.in_use = true;
  run.states.clear();
}

Ticket Deliveries::accept() {
  Run& run = runs_[current_];
  const auto item = static_cast<uint32_t>(run.first + run.states.size());
  run.states.push_back(State::kAccepted);
  ++open_items_;
  return (static_cast<Ticket>(current_ + 1) << 32) | item;
}

const dstream_message& Deliveries::message(Ticket ticket) const {
  const Run& run = runs_[run_index(ticket)];
  return *reinterpret_cast<const dstream_message*>(
      run.messages + static_cast<size_t>(run.message_stride) * item_index(ticket));
}

void Deliveries::finish(Ticket ticket, State state) {
  const uint32_t index = run_index(ticket);
  Run& run = runs_[index];
  run.states[item_index(ticket) - run.first] = state;
  if (!run.touched) {
    run.touched = true;
    touched_.push_back(index);
  }
}

void Deliveries::rejected(Ticket ticket, ItemError error) {
  finish(ticket, State::kRejected);
  rejections_[ticket] = std::move(error);
}

void Deliveries::settle_rejected(const dstream::Host& host, const Run& run, uint32_t run_number,
                                 uint32_t item) {
  const auto found = rejections_.find((static_cast<Ticket>(run_number + 1) << 32) | item);
  const dstream_error error = make_error(found->second, 0);
  rejections_.erase(found);
  host.settle(run.delivery_id, item, 1, DSTREAM_REJECTED, &error);
}

uint32_t Deliveries::settle_prefix(const dstream::Host& host, Run& run) {
  uint32_t delivered = 0;
  const auto count = static_cast<uint32_t>(run.states.size());
  const auto number = static_cast<uint32_t>(&run - runs_.data());
  while (run.settled < count && run.states[run.settled] != State::kAccepted) {
    uint32_t end = run.settled;
    if (run.states[end] == State::kSettled) {
      ++run.settled;
      continue;
    }
    while (end < count && run.states[end] == State::kDelivered) {
      ++end;
    }
    if (end == run.settled) {
      settle_rejected(host, run, number, run.first + run.settled);
      ++end;
    } else {
      host.settle(run.delivery_id, run.first + run.settled, end - run.settled);
      delivered += end - run.settled;
    }
    open_items_ -= end - run.settled;
    run.settled = end;
  }
  return delivered;
}

uint32_t Deliveries::settle_done(const dstream::Host& host) {
  uint32_t delivered = 0;
  for (const uint32_t index : touched_) {
    Run& run = runs_[index];
    run.touched = false;
    delivered += settle_prefix(host, run);
    if (run.settled == run.states.size()) {
      release(index);
    }
  }
  touched_.clear();
  return delivered;
}

uint32_t Deliveries::settle_all(const dstream::Host& host, const ItemError& item_error,
                                uint32_t retry_after_ms) {
  const dstream_error error = make_error(item_error, retry_after_ms);
  uint32_t again = 0;
  for (uint32_t index = 0; index < runs_.size(); ++index) {
    Run& run = runs_[index];
    const auto count = static_cast<uint32_t>(run.states.size());
    while (run.in_use && run.settled < count) {
      settle_prefix(host, run);
      uint32_t end = run.settled;
      while (end < count && run.states[end] == State::kAccepted) {
        ++end;
      }
      if (end > run.settled) {
        host.settle(run.delivery_id, run.first + run.settled, end - run.settled, DSTREAM_RETRY,
                    &error);
        again += end - run.settled;
        open_items_ -= end - run.settled;
        run.settled = end;
      }
    }
  }
  clear();
  return again;
}

void Deliveries::settle_rejected(const dstream::Host& host) {
  for (const auto& [ticket, reason] : rejections_) {
    Run& run = runs_[run_index(ticket)];
    const dstream_error error = make_error(reason, 0);
    host.settle(run.delivery_id, item_index(ticket), 1, DSTREAM_REJECTED, &error);
    run.states[item_index(ticket) - run.first] = State::kSettled;
    --open_items_;
  }
  rejections_.clear();
}

void Deliveries::forget_delivered() {
  for (Run& run : runs_) {
    for (State& state : run.states) {
      state = run.in_use && state == State::kDelivered ? State::kAccepted : state;
    }
  }
}

void Deliveries::release(uint32_t index) {
  runs_[index].in_use = false;
  free_.push_back(index);
  has_current_ = has_current_ && current_ != index;
}

void Deliveries::clear() {
  free_.clear();
  for (uint32_t index = 0; index < runs_.size(); ++index) {
    runs_[index].in_use = false;
    free_.push_back(index);
  }
  touched_.clear();
  rejections_.clear();
  has_current_ = false;
  open_items_ = 0;
}

}  // namespace eventhubs
