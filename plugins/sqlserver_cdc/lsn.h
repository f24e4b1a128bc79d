// Log sequence numbers and the key that orders changes.
//
// An LSN is 10 bytes: virtual log file (4), log block (4), slot (2), all big-endian, compared as
// unsigned. SQL Server prints it as "00000027:000001f4:0003", and so do we.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace dstream::sqlserver {

struct Lsn {
  static constexpr size_t kBytes = 10;
  static constexpr size_t kTextSize = 22;

  uint64_t high = 0;  // log file and block
  uint16_t low = 0;   // slot

  auto operator<=>(const Lsn&) const = default;
  bool is_zero() const { return high == 0 && low == 0; }

  static constexpr Lsn max() {
    return {std::numeric_limits<uint64_t>::max(), std::numeric_limits<uint16_t>::max()};
  }
  // The next 80-bit number; max() stays max(). No LSN lies between a value and its next().
  Lsn next() const;
  // The 80-bit number before it. REQUIRES: not zero.
  Lsn previous() const;

  static Lsn from_bytes(const uint8_t* bytes);  // reads kBytes
  void to_bytes(uint8_t* bytes) const;          // writes kBytes

  // Writes kTextSize characters, no terminator.
  void format(char* out) const;
  std::string text() const;
  // Exactly what format() writes (either case of hex digits); nothing else is accepted.
  static std::optional<Lsn> parse(std::string_view text);
};

// Values of __$operation.
enum class Operation : int32_t { kDelete = 1, kInsert = 2, kUpdateBefore = 3, kUpdateAfter = 4 };

// Orders the rows of a change table: its clustered key. Also used for "complete up to here".
//
// `command` is __$command_id; -1 stands for NULL (rows from before the column existed, which sort
// first), and change tables without the column use 0 throughout.
struct ChangeKey {
  Lsn commit;
  int32_t command = std::numeric_limits<int32_t>::min();
  Lsn sequence;
  int32_t operation = 0;

  auto operator<=>(const ChangeKey&) const = default;

  // Before every change.
  static constexpr ChangeKey beginning() { return {}; }
  // After every change of the transaction that committed at `commit`.
  static constexpr ChangeKey end_of(Lsn commit) {
    return {commit, std::numeric_limits<int32_t>::max(), Lsn::max(),
            std::numeric_limits<int32_t>::max()};
  }
  // After every change of that command.
  static constexpr ChangeKey end_of_command(Lsn commit, int32_t command) {
    return {commit, command, Lsn::max(), std::numeric_limits<int32_t>::max()};
  }
  bool is_beginning() const { return *this == beginning(); }
  bool is_end_of_transaction() const { return *this == end_of(commit); }
  bool is_end_of_command() const { return *this == end_of_command(commit, command); }
  // The lowest commit LSN at which something may still be missing.
  Lsn first_needed() const { return is_end_of_transaction() ? commit.next() : commit; }
};

}  // namespace dstream::sqlserver
