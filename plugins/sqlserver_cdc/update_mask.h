// What __$update_mask says: a bit a captured column, in the order of cdc.captured_columns.
//
// Which byte has the first eight columns is told in two ways: Debezium and others take the first
// byte, sys.fn_cdc_is_bit_set counts from the last. With eight columns or fewer there is no
// difference. Beyond, values decide: a column whose value differs before and after an update has
// its bit set in the right order.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dstream::sqlserver {

enum class MaskOrder : uint8_t { kFirstByteLowest, kLastByteLowest };

// Whether column `index`, from 0, is marked. Bytes that are not there are zero, as a server sends
// only as many as it needs.
bool is_changed(std::string_view mask, size_t index, MaskOrder order);

// Learns the order. [any-thread]
class MaskOrderLearner {
 public:
  // True for the first who asks: nobody has asked the server yet.
  bool is_to_be_asked() { return !asked_.exchange(true); }
  // What is taken as long as values have not decided.
  void assume(MaskOrder order) { assumed_ = order; }
  // Column `index` was changed by the update that `mask` is of.
  void see_changed(std::string_view mask, size_t index);

  // True if both orders still explain everything seen, or neither does.
  bool is_open() const { return first_fits_ == last_fits_; }
  MaskOrder order() const;

 private:
  // Each only ever changes once, and on its own; nothing else is published through them.
  std::atomic<MaskOrder> assumed_{MaskOrder::kLastByteLowest};
  std::atomic<bool> first_fits_{true};
  std::atomic<bool> last_fits_{true};
  std::atomic<bool> asked_{false};
};

}  // namespace dstream::sqlserver
