// A YAML file as a tree in which every key and value knows its place.
//
// The file is measured before it is interpreted: its size, the characters in it, how deep it
// nests, how many aliases it uses and how large it would grow if each alias were a copy. A file
// that breaks a limit costs no more than reading it.
//
//   auto root = parse_yaml("dstream.yaml", text);
//   if (!root) return root.error();          // DS-CONFIG-*, with file, line and column
//
// Scalars keep the text that was written: what a plain `5` means is for the schema to say.
// Anchors, aliases and merge keys (`<<: *base`) work; an alias shares the node it names.
//
// Thread rule: plain values; a tree is immutable once returned and may be read by many threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace dstream::core {

// Line and column count from 1; a column is a character, not a byte.
struct Mark {
  int line = 0;
  int column = 0;
};

struct YamlNode;
using YamlNodePointer = std::shared_ptr<const YamlNode>;

struct YamlEntry {
  std::string key;
  Mark key_mark;
  YamlNodePointer value;  // never null
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  Mark mark;
  std::string text;   // kScalar; for kNull what stands in the file: "", "~" or "null"
  bool plain = true;  // no quotes, no block style and no tag: may be a number or a truth value
  std::vector<YamlNodePointer> items;  // kSequence
  std::vector<YamlEntry> entries;      // kMap, in the order of the file

  // What this node would come to if every alias below it were a copy.
  uint64_t nodes = 1;
  uint64_t bytes = 0;
  uint32_t height = 0;  // mappings and lists inside each other, this one included

  // nullptr if there is no such key.
  const YamlEntry* find(std::string_view key) const;
};

// Limits on one file. They fit together: 1 MiB of text has at most 1 Mi nodes, and what aliases
// make of it may use 16 MiB once it is JSON.
struct YamlLimits {
  uint64_t bytes_max = 1 << 20;
  uint32_t depth_max = 64;
  uint32_t aliases_max = 1000;
  uint64_t nodes_max = 100'000;            // aliases counted as copies
  uint64_t expanded_bytes_max = 16 << 20;  // of scalars and keys, aliases counted as copies
};

// `file` is what errors name. Errors, all with exit code 2 and a place:
//   DS-CONFIG-TOO-LARGE      more bytes than allowed
//   DS-CONFIG-ENCODING       not UTF-8, or a byte order mark
//   DS-CONFIG-CHARACTER      NUL or another control character
//   DS-CONFIG-TAB            a tab where YAML wants spaces
//   DS-CONFIG-SYNTAX         not YAML
//   DS-CONFIG-EMPTY          no document in it, or an empty one
//   DS-CONFIG-DEPTH          nested too deep
//   DS-CONFIG-ALIASES        too many aliases, or too much behind them
//   DS-CONFIG-DUPLICATE-KEY  a key twice in one mapping
Result<YamlNodePointer> parse_yaml(const std::string& file, std::string_view text,
                                   const YamlLimits& limits = {});

// An error of the configuration, which ends a command with exit code 2.
Error config_error(std::string code, const std::string& file, Mark mark, std::string message,
                   std::string hint = {});

}  // namespace dstream::core
