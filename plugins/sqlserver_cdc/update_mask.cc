#include "plugins/sqlserver_cdc/update_mask.h"

namespace dstream::sqlserver {

bool is_changed(std::string_view mask, size_t index, MaskOrder order) {
  const size_t byte = index / 8;
  if (byte >= mask.size()) {
    return false;
  }
  const size_t at = order == MaskOrder::kFirstByteLowest ? byte : mask.size() - 1 - byte;
  return (static_cast<unsigned char>(mask[at]) >> (index % 8) & 1) != 0;
}

void MaskOrderLearner::see_changed(std::string_view mask, size_t index) {
  if (!is_changed(mask, index, MaskOrder::kFirstByteLowest)) {
    first_fits_ = false;
  }
  if (!is_changed(mask, index, MaskOrder::kLastByteLowest)) {
    last_fits_ = false;
  }
}

MaskOrder MaskOrderLearner::order() const {
  if (is_open()) {
    return assumed_;
  }
  return first_fits_ ? MaskOrder::kFirstByteLowest : MaskOrder::kLastByteLowest;
}

}  // namespace dstream::sqlserver
