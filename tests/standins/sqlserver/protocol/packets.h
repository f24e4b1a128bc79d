// Messages in packets: reading a client's, and framing ours.
//
// Thread rule: one thread a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/transport.h"

namespace dstream::standin {

inline constexpr size_t kPacketHeaderBytes = 8;
inline constexpr uint32_t kPacketSizeMin = 512;
inline constexpr uint32_t kPacketSizeMax = 32767;
inline constexpr uint32_t kPacketSizeDefault = 4096;

enum PacketType : uint8_t {
  kSqlBatch = 0x01,
  kRpc = 0x03,
  kServerReply = 0x04,
  kAttention = 0x06,
  kBulkLoad = 0x07,
  kTransactionManager = 0x0E,
  kLogin7 = 0x10,
  kSspi = 0x11,
  kPrelogin = 0x12,
};

enum PacketStatus : uint8_t {
  kEndOfMessage = 0x01,
  kIgnore = 0x02,
  kResetConnection = 0x08,
  kResetConnectionKeepTransaction = 0x10,
};

struct RequestMessage {
  uint8_t type = 0;
  bool ignored = false;  // the client took the message back before its end
  bool reset = false;    // RESETCONNECTION, either form
  std::string body;
};

enum class ReadResult {
  kMessage,
  kClosed,     // the client went, or said nothing for too long
  kMalformed,  // not TDS
  kTooLarge,   // more than the limit
};

// Puts a client's packets together. Buffers what it reads ahead.
class PacketReader {
 public:
  // Messages above `message_bytes_max` are refused.
  PacketReader(Transport* transport, size_t message_bytes_max);

  void set_message_bytes_max(size_t bytes) { message_bytes_max_ = bytes; }

  // Waits for a whole message, up to `timeout_ms` for each read (-1: for ever). An attention that
  // arrives in the middle of another message replaces it.
  ReadResult read(RequestMessage* message, int timeout_ms);

  enum class Interruption { kNone, kAttention, kClosed };
  // Looks whether the client sent an attention, or went, while it should be listening; waits up to
  // `timeout_ms` for that. An attention is consumed; any other message stays for read().
  Interruption check_interruption(int timeout_ms);

  // Bytes read but not yet used, when TLS takes over the stream; they leave the reader.
  std::string take_buffered();

 private:
  enum class Filled { kBytes, kTimedOut, kClosed };
  Filled fill(int timeout_ms);
  bool await_header(int timeout_ms);
  size_t buffered() const { return end_ - begin_; }
  bool header_is_complete() const { return buffered() >= kPacketHeaderBytes; }
  uint8_t byte_at(size_t offset) const { return static_cast<uint8_t>(buffer_[begin_ + offset]); }
  size_t packet_length() const;

  Transport* transport_;
  size_t message_bytes_max_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Cuts a response into packets of the negotiated size and sends many of them in one write. A packet
// is closed only when more bytes follow it, so that the last one can carry the end of the message.
class PacketWriter {
 public:
  PacketWriter(Transport* transport, uint16_t session_id);

  // Takes effect with the next message. REQUIRES: between messages.
  void set_packet_size(uint32_t bytes);
  void begin_message(uint8_t type);
  // False once the client has gone; what follows is then dropped.
  bool append(std::string_view bytes) {
    if (bytes.size() <= room_) [[likely]] {
      std::memcpy(buffer_.data() + used_, bytes.data(), bytes.size());
      used_ += bytes.size();
      room_ -= bytes.size();
      return !is_broken_;
    }
    return append_over_packets(bytes);
  }
  bool end_message();
  // Sends the packets that are complete; the open one stays.
  bool flush_complete();
  // Sends everything so far, the open packet too, without ending the message.
  bool flush_all();

  bool is_broken() const { return is_broken_; }
  bool message_has_bytes() const { return used_ > kPacketHeaderBytes || message_was_split_; }

 private:
  bool append_over_packets(std::string_view bytes);
  void open_packet();
  void close_packet(uint8_t status);
  bool send(size_t bytes);

  Transport* transport_;
  uint16_t session_id_;
  uint32_t packet_size_ = kPacketSizeDefault;
  uint8_t type_ = 0;
  uint8_t packet_number_ = 0;
  bool is_broken_ = false;
  bool message_was_split_ = false;
  std::vector<char> buffer_;
  size_t packet_start_ = 0;  // where the open packet begins
  size_t used_ = 0;
  size_t room_ = 0;  // left in the open packet
};

}  // namespace dstream::standin
