#include "tests/standins/kafka/port_rewrite.h"

#include <algorithm>
#include <utility>

namespace dstream::standin {
namespace {

constexpr size_t kPortBytes = 4;

std::string on_wire(uint16_t port) {
  return {'\0', '\0', static_cast<char>(port >> 8), static_cast<char>(port & 0xff)};
}

}  // namespace

PortRewrite::PortRewrite(std::string host, std::map<uint16_t, uint16_t> ports)
    : host_(std::move(host)) {
  for (const auto& [from, to] : ports) {
    ports_[on_wire(from)] = on_wire(to);
  }
}

bool PortRewrite::may_begin(std::string_view bytes) const {
  return std::any_of(ports_.begin(), ports_.end(), [bytes](const auto& pair) {
    return std::string_view(pair.first).substr(0, bytes.size()) == bytes;
  });
}

std::string PortRewrite::pass(std::string_view chunk) {
  std::string text = passed_ + held_;
  text += chunk;
  size_t end = text.size();  // what lies behind is kept back
  size_t at = 0;
  while ((at = text.find(host_, at)) != std::string::npos) {
    const size_t port_at = at + host_.size();
    if (text.size() - port_at < kPortBytes) {
      if (may_begin(std::string_view(text).substr(port_at))) {
        end = port_at;
      }
      break;
    }
    const auto found = ports_.find(text.substr(port_at, kPortBytes));
    if (found != ports_.end()) {
      text.replace(port_at, kPortBytes, found->second);
      at = port_at + kPortBytes;
    } else {
      ++at;
    }
  }
  std::string out = text.substr(passed_.size(), end - passed_.size());
  held_ = text.substr(end);
  passed_ = text.substr(end - std::min(end, host_.size()), std::min(end, host_.size()));
  return out;
}

std::string PortRewrite::end() { return std::exchange(held_, {}); }

}  // namespace dstream::standin
