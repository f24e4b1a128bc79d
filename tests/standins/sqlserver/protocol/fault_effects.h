// How the faults a request walked into take effect on its response.
//
// Thread rule: one thread a connection.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/standins/sqlserver/protocol/faults.h"
#include "tests/standins/sqlserver/protocol/transport.h"

namespace dstream::standin {

class FaultEffects final : public OutgoingFilter {
 public:
  FaultEffects(Faults* faults, Transport* transport) : faults_(faults), transport_(transport) {}

  // A response begins: its bytes and rows are counted from here.
  void arm(std::vector<Faults::Armed> armed);
  void disarm();

  struct Outcome {
    bool is_cut = false;                   // the connection was closed
    const ServerMessage* error = nullptr;  // to be sent; the statement ends with it
  };
  // Applies what takes effect before the first row.
  Outcome at_start() { return apply_up_to(-1); }
  // Applies what takes effect after so many rows. REQUIRES: what was written before has been sent.
  Outcome after_rows(uint64_t rows) { return apply_up_to(static_cast<int64_t>(rows)); }
  // The number of rows after which after_rows() has something to do.
  uint64_t next_row() const { return next_row_; }
  // How long to wait before each row.
  uint32_t row_delay_ms() const { return row_delay_ms_; }

  size_t allow(uint64_t sent_bytes, size_t size) override;

 private:
  enum class Place : uint8_t { kStart, kRow, kByte, kSpent };
  struct Effect {
    Faults::Armed armed;
    Place place = Place::kStart;
  };

  Outcome apply_up_to(int64_t rows);
  bool apply(Effect* effect, Outcome* outcome);
  void apply_at_byte(Effect* effect);
  void stall(Faults::Id id, uint64_t release_count);
  void find_next_row();

  Faults* faults_;
  Transport* transport_;
  std::vector<Effect> effects_;
  uint64_t start_bytes_ = 0;
  uint64_t next_row_ = UINT64_MAX;
  uint32_t row_delay_ms_ = 0;
  // From a byte on: the size of the pieces (0: whole) and the wait before each.
  uint32_t piece_bytes_ = 0;
  uint32_t piece_delay_ms_ = 0;
  bool is_cut_ = false;
};

}  // namespace dstream::standin
