#include "workload.h"

#include <algorithm>
#include <cstring>

namespace generator {
namespace {

constexpr size_t kTextBytes = 64 * 1024;

// splitmix64: every bit of the result depends on every bit of the argument.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Repeats after kTextBytes, so that `payload_bytes` can be read from any place before that.
std::string make_text(uint64_t seed, uint64_t payload_bytes) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";
  std::string text(kTextBytes + payload_bytes, ' ');
  for (size_t i = 0; i < kTextBytes; ++i) {
    text[i] = kAlphabet[mix(seed + i) % 64];
  }
  for (size_t i = kTextBytes; i < text.size(); ++i) {
    text[i] = text[i - kTextBytes];
  }
  return text;
}

}  // namespace

Workload::Workload(const Options& options)
    : options_(options), text_(make_text(options.seed, options.size)) {}

Change Workload::change(uint64_t n) const {
  const uint64_t index = n - 1;
  Change change;
  change.sequence = n;
  change.table = static_cast<uint32_t>(index % options_.tables);
  change.transaction = index / options_.transaction_size + 1;
  change.transaction_seq = index % options_.transaction_size + 1;
  change.transaction_end =
      change.transaction_seq == options_.transaction_size || n == options_.rows;
  const uint64_t visit = index / options_.tables;  // in its table
  if (options_.keys == 0) {
    change.id = visit + 1;
    change.version = 1;
    return change;
  }
  change.id = visit % options_.keys + 1;
  change.version = visit / options_.keys + 1;
  if (is_deleted(change.table, change.id, change.version)) {
    change.op = DSTREAM_OP_DELETE;
  } else if (change.version > 1 && !is_deleted(change.table, change.id, change.version - 1)) {
    change.op = DSTREAM_OP_UPDATE;
  }
  return change;
}

// Only even visits may delete. So a delete always finds the row there, and the visit after it
// always inserts, without looking further back than one visit.
bool Workload::is_deleted(uint32_t table, uint64_t id, uint64_t version) const {
  if (version % 2 != 0) {
    return false;
  }
  const uint64_t draw = mix(options_.seed ^ mix(id ^ mix(version ^ mix(table))));
  return draw % 100 < 2u * options_.delete_percent;
}

uint64_t Workload::previous(const Change& change) const {
  return change.sequence - options_.keys * options_.tables;
}

const char* Workload::payload(uint64_t n) const {
  return text_.data() + mix(options_.seed ^ mix(n)) % kTextBytes;
}

}  // namespace generator
