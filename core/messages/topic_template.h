// Topic names from a template: "{database}.{schema}.{table}".
//
// Fields are {pipeline}, {database}, {schema}, {table} and {op}. Everything a Kafka broker does not
// allow in a name (all but letters, digits, '.', '_' and '-') becomes '_'. A name longer than 249
// characters is cut and ends with a hash of the whole, so that two long names stay two.
//
// Thread rule: immutable after parse().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace dstream::core {

struct TopicFields {
  std::string_view pipeline;
  std::string_view database;
  std::string_view schema;
  std::string_view table;
  std::string_view op;
};

class TopicTemplate {
 public:
  static constexpr size_t kNameBytesMax = 249;

  // Errors: DS-TOPIC-TEMPLATE for an unknown field, a brace without its partner, an empty text.
  static Result<TopicTemplate> parse(std::string_view text);

  // Always a name that a broker accepts.
  std::string expand(const TopicFields& fields) const;

 private:
  struct Part {
    std::string literal;  // unless `field` is set
    std::string_view TopicFields::*field = nullptr;
  };
  std::vector<Part> parts_;
};

}  // namespace dstream::core
