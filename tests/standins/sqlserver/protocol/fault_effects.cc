#include "tests/standins/sqlserver/protocol/fault_effects.h"

#include <algorithm>

namespace dstream::standin {

void FaultEffects::arm(std::vector<Faults::Armed> armed) {
  disarm();
  bool has_bytes = false;
  for (Faults::Armed& one : armed) {
    Effect effect;
    effect.place = one.fault.after_bytes >= 0  ? Place::kByte
                   : one.fault.after_rows >= 0 ? Place::kRow
                                               : Place::kStart;
    // Pieces are a matter of bytes, wherever they start.
    if (one.fault.action == FaultAction::kPiece && effect.place == Place::kStart) {
      effect.place = Place::kByte;
    }
    has_bytes = has_bytes || effect.place == Place::kByte;
    effect.armed = std::move(one);
    effects_.push_back(std::move(effect));
  }
  start_bytes_ = transport_->sent_bytes();
  transport_->set_filter(has_bytes ? this : nullptr);
  find_next_row();
}

void FaultEffects::disarm() {
  effects_.clear();
  transport_->set_filter(nullptr);
  next_row_ = UINT64_MAX;
  row_delay_ms_ = piece_bytes_ = piece_delay_ms_ = 0;
  is_cut_ = false;
}

void FaultEffects::find_next_row() {
  next_row_ = UINT64_MAX;
  for (const Effect& effect : effects_) {
    if (effect.place == Place::kRow) {
      next_row_ = std::min(next_row_, static_cast<uint64_t>(effect.armed.fault.after_rows));
    }
  }
}

// Applies the effects of the start (`rows` below zero), or those of up to so many rows.
FaultEffects::Outcome FaultEffects::apply_up_to(int64_t rows) {
  Outcome outcome;
  for (Effect& effect : effects_) {
    const bool is_due = rows < 0
                            ? effect.place == Place::kStart
                            : effect.place == Place::kRow && effect.armed.fault.after_rows <= rows;
    if (is_due && !apply(&effect, &outcome)) {
      break;
    }
  }
  find_next_row();
  return outcome;
}

// False if nothing can follow.
bool FaultEffects::apply(Effect* effect, Outcome* outcome) {
  const Fault& fault = effect->armed.fault;
  effect->place = Place::kSpent;
  // Taken before anyone can know of the stall, so that no release comes too early to count.
  const uint64_t release_count = faults_->release_count();
  faults_->note_fired(effect->armed.id);
  switch (fault.action) {
    case FaultAction::kDrop:
      transport_->shutdown();
      outcome->is_cut = true;
      return false;
    case FaultAction::kStall:
      stall(effect->armed.id, release_count);
      return true;
    case FaultAction::kSlow:
      row_delay_ms_ = fault.delay_ms;
      return true;
    case FaultAction::kPiece:
      piece_bytes_ = std::max(1u, fault.piece_bytes);
      transport_->set_filter(this);
      return true;
    case FaultAction::kError:
      outcome->error = &fault.message;
      return false;
  }
  return true;
}

void FaultEffects::stall(Faults::Id id, uint64_t release_count) {
  while (faults_->stall_turn(id, release_count) && !transport_->wait_hangup(0)) {
  }
}

void FaultEffects::apply_at_byte(Effect* effect) {
  const Fault& fault = effect->armed.fault;
  effect->place = Place::kSpent;
  // Taken before anyone can know of the stall, so that no release comes too early to count.
  const uint64_t release_count = faults_->release_count();
  faults_->note_fired(effect->armed.id);
  switch (fault.action) {
    case FaultAction::kStall:
      stall(effect->armed.id, release_count);
      return;
    case FaultAction::kSlow:
    case FaultAction::kPiece:
      piece_bytes_ = std::max(1u, fault.piece_bytes);
      piece_delay_ms_ = fault.action == FaultAction::kSlow ? fault.delay_ms : 0;
      return;
    // In the middle of the bytes there is no place for a token; an error becomes a cut.
    case FaultAction::kDrop:
    case FaultAction::kError:
      is_cut_ = true;
      return;
  }
}

size_t FaultEffects::allow(uint64_t sent_bytes, size_t size) {
  const uint64_t at = sent_bytes - start_bytes_;
  size_t allowed = size;
  for (Effect& effect : effects_) {
    if (effect.place != Place::kByte) {
      continue;
    }
    const auto due = static_cast<uint64_t>(std::max<int64_t>(0, effect.armed.fault.after_bytes));
    if (due > at) {
      allowed = std::min(allowed, static_cast<size_t>(due - at));
    } else {
      apply_at_byte(&effect);
    }
  }
  if (is_cut_) {
    return 0;
  }
  if (piece_delay_ms_ > 0) {
    transport_->wait_hangup(static_cast<int>(piece_delay_ms_));
  }
  return piece_bytes_ > 0 ? std::min<size_t>(allowed, piece_bytes_) : allowed;
}

}  // namespace dstream::standin
