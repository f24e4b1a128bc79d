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
  first_fits_ = first_fits_ && is_changed(mask, index, MaskOrder::kFirstByteLowest);
  last_fits_ = last_fits_ && is_changed(mask, index, MaskOrder::kLastByteLowest);
}

MaskOrder MaskOrderLearner::order() const {
  if (is_open()) {
    return assumed_;
  }
  return first_fits_ ? MaskOrder::kFirstByteLowest : MaskOrder::kLastByteLowest;
}

}  // namespace dstream::sqlserver
