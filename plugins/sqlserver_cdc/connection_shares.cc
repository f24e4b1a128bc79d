#include "plugins/sqlserver_cdc/connection_shares.h"

namespace dstream::sqlserver {

bool ConnectionShares::take_for_changes() {
  const std::lock_guard lock(mutex_);
  if (changes_ >= changes_max_) {
    return false;
  }
  const uint32_t kept = copies_wish_ && copies_ == 0 ? 1 : 0;
  const bool taken = free() > kept;
  changes_ += taken ? 1 : 0;
  changes_wish_ = !taken;
  return taken;
}

bool ConnectionShares::take_for_copies() {
  const std::lock_guard lock(mutex_);
  const bool taken = free() > 0 && (copies_ == 0 || !changes_wish_);
  copies_ += taken ? 1 : 0;
  copies_wish_ = !taken;
  return taken;
}

void ConnectionShares::give_back_of_changes() {
  const std::lock_guard lock(mutex_);
  --changes_;
}

void ConnectionShares::give_back_of_copies() {
  const std::lock_guard lock(mutex_);
  --copies_;
}

void ConnectionShares::withdraw_wish_of_changes() {
  const std::lock_guard lock(mutex_);
  changes_wish_ = false;
}

void ConnectionShares::withdraw_wish_of_copies() {
  const std::lock_guard lock(mutex_);
  copies_wish_ = false;
}

bool ConnectionShares::changes_should_yield() const {
  const std::lock_guard lock(mutex_);
  return copies_wish_ && copies_ == 0 && free() == 0;
}

bool ConnectionShares::copies_should_yield() const {
  const std::lock_guard lock(mutex_);
  return changes_wish_ && copies_ > 1 && free() == 0;
}

bool ConnectionShares::copies_wish() const {
  const std::lock_guard lock(mutex_);
  return copies_wish_;
}

}  // namespace dstream::sqlserver
