#include "tests/standins/sqlserver/protocol/packets.h"

#include <algorithm>

namespace dstream::standin {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
// Large enough that a system call costs little per row, small enough to stay in the cache.
constexpr size_t kSendBytes = 128 * 1024;

bool is_request_type(uint8_t type) {
  switch (type) {
    case kSqlBatch:
    case kRpc:
    case kAttention:
    case kBulkLoad:
    case kTransactionManager:
    case kLogin7:
    case kSspi:
    case kPrelogin:
      return true;
    default:
      return false;
  }
}

}  // namespace

PacketReader::PacketReader(Transport* transport, size_t message_bytes_max)
    : transport_(transport), message_bytes_max_(message_bytes_max), buffer_(kReadBytes) {}

size_t PacketReader::packet_length() const {
  return static_cast<size_t>(byte_at(2)) << 8 | byte_at(3);
}

// Reads more bytes behind those that are there.
PacketReader::Filled PacketReader::fill(int timeout_ms) {
  if (begin_ > 0 && (begin_ == end_ || end_ == buffer_.size())) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const std::optional<size_t> got =
      transport_->read(buffer_.data() + end_, buffer_.size() - end_, timeout_ms);
  if (!got.has_value()) {
    return Filled::kTimedOut;
  }
  end_ += *got;
  return *got > 0 ? Filled::kBytes : Filled::kClosed;
}

bool PacketReader::await_header(int timeout_ms) {
  while (!header_is_complete()) {
    if (fill(timeout_ms) != Filled::kBytes) {
      return false;
    }
  }
  return true;
}

ReadResult PacketReader::read(RequestMessage* message, int timeout_ms) {
  message->body.clear();
  message->ignored = message->reset = false;
  for (bool is_first = true;; is_first = false) {
    if (!await_header(timeout_ms)) {
      return ReadResult::kClosed;
    }
    const uint8_t type = byte_at(0);
    const uint8_t status = byte_at(1);
    const size_t length = packet_length();
    const bool interrupts = !is_first && type == kAttention;
    // Looked at before the rest is waited for: the length of what is not TDS means nothing.
    if (length < kPacketHeaderBytes || !is_request_type(type) ||
        (!is_first && type != message->type && !interrupts)) {
      return ReadResult::kMalformed;
    }
    while (buffered() < length) {
      if (fill(timeout_ms) != Filled::kBytes) {
        return ReadResult::kClosed;
      }
    }
    if (interrupts) {
      message->body.clear();
      message->reset = false;
    }
    message->type = type;
    message->reset = message->reset ||
                     (is_first && (status & (kResetConnection | kResetConnectionKeepTransaction)));
    const size_t payload = length - kPacketHeaderBytes;
    if (message->body.size() + payload > message_bytes_max_) {
      return ReadResult::kTooLarge;
    }
    message->body.append(buffer_.data() + begin_ + kPacketHeaderBytes, payload);
    begin_ += length;
    if ((status & kEndOfMessage) != 0 || type == kAttention) {
      message->ignored = (status & kIgnore) != 0;
      return ReadResult::kMessage;
    }
  }
}

PacketReader::Interruption PacketReader::check_interruption(int timeout_ms) {
  for (;;) {
    if (header_is_complete()) {
      const size_t length = packet_length();
      if (byte_at(0) != kAttention || length < kPacketHeaderBytes) {
        // Something else waits behind the response; only a hang-up can be told from here on.
        return transport_->wait_hangup(timeout_ms) ? Interruption::kClosed : Interruption::kNone;
      }
      if (buffered() >= length) {
        begin_ += length;
        return Interruption::kAttention;
      }
    }
    if (!transport_->wait_readable(timeout_ms)) {
      return Interruption::kNone;
    }
    const Filled filled = fill(0);
    if (filled != Filled::kBytes) {
      return filled == Filled::kClosed ? Interruption::kClosed : Interruption::kNone;
    }
  }
}

std::string PacketReader::take_buffered() {
  std::string bytes(buffer_.data() + begin_, buffered());
  begin_ = end_ = 0;
  return bytes;
}

PacketWriter::PacketWriter(Transport* transport, uint16_t session_id)
    : transport_(transport), session_id_(session_id), buffer_(kSendBytes + kPacketSizeMax + 1) {}

void PacketWriter::set_packet_size(uint32_t bytes) {
  packet_size_ = std::clamp(bytes, kPacketSizeMin, kPacketSizeMax);
}

void PacketWriter::begin_message(uint8_t type) {
  type_ = type;
  packet_number_ = 0;
  message_was_split_ = false;
  used_ = 0;
  open_packet();
}

void PacketWriter::open_packet() {
  packet_start_ = used_;
  used_ += kPacketHeaderBytes;
  room_ = packet_size_ - kPacketHeaderBytes;
}

void PacketWriter::close_packet(uint8_t status) {
  const size_t length = used_ - packet_start_;
  const uint8_t header[kPacketHeaderBytes] = {type_,
                                              status,
                                              static_cast<uint8_t>(length >> 8),
                                              static_cast<uint8_t>(length),
                                              static_cast<uint8_t>(session_id_ >> 8),
                                              static_cast<uint8_t>(session_id_),
                                              ++packet_number_,
                                              0};
  std::memcpy(buffer_.data() + packet_start_, header, sizeof(header));
}

bool PacketWriter::send(size_t bytes) {
  if (!is_broken_ && !transport_->write({buffer_.data(), bytes})) {
    is_broken_ = true;
  }
  return !is_broken_;
}

bool PacketWriter::append_over_packets(std::string_view bytes) {
  while (!bytes.empty() && !is_broken_) {
    if (room_ == 0) {
      close_packet(0);
      message_was_split_ = true;
      if (used_ >= kSendBytes) {
        send(used_);
        used_ = 0;
      }
      open_packet();
    }
    const size_t piece = std::min(bytes.size(), room_);
    std::memcpy(buffer_.data() + used_, bytes.data(), piece);
    used_ += piece;
    room_ -= piece;
    bytes.remove_prefix(piece);
  }
  return !is_broken_;
}

bool PacketWriter::flush_complete() {
  if (packet_start_ == 0) {
    return !is_broken_;
  }
  send(packet_start_);
  std::memmove(buffer_.data(), buffer_.data() + packet_start_, used_ - packet_start_);
  used_ -= packet_start_;
  packet_start_ = 0;
  return !is_broken_;
}

bool PacketWriter::flush_all() {
  if (used_ - packet_start_ > kPacketHeaderBytes) {
    close_packet(0);
    message_was_split_ = true;
    open_packet();
  }
  return flush_complete();
}

bool PacketWriter::end_message() {
  close_packet(kEndOfMessage);
  send(used_);
  used_ = packet_start_ = room_ = 0;
  return !is_broken_;
}

}  // namespace dstream::standin
