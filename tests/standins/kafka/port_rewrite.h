// Makes a Kafka broker's answers name other ports: a client goes where the metadata send it, so a
// proxy in front of a broker that announces its own port would be left after the first answer.
//
// Host and port stand side by side in every answer that names a broker (Metadata, FindCoordinator),
// the port in four bytes, most significant first. A port for a port keeps each length in the answer
// right, so the stream need not be parsed. It must not be encrypted.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace dstream::standin {

class PortRewrite {
 public:
  // Wherever `host` is followed by a port that `ports` has as a key, its value is put instead.
  PortRewrite(std::string host, std::map<uint16_t, uint16_t> ports);

  // The stream's next bytes, as they are to be passed on. Up to three bytes are kept back when the
  // chunk ends inside what may be such a port.
  std::string pass(std::string_view chunk);
  // What is kept back, at the end of the stream.
  std::string end();

 private:
  // True if a port to rewrite may begin with these bytes (fewer than four).
  bool may_begin(std::string_view bytes) const;

  std::string host_;
  std::map<std::string, std::string> ports_;  // as on the wire
  std::string passed_;                        // the end of what was passed on: part of a host?
  std::string held_;
};

}  // namespace dstream::standin
