#include "tests/bench/bare_message.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dstream::bench {
namespace {

constexpr size_t kEnvelopeBytesMax = 2048;

char* put(char* out, const char* text) {
  size_t size = std::strlen(text);
  std::memcpy(out, text, size);
  return out + size;
}

char* put_hex(char* out, const char* data, size_t size) {
  for (size_t index = 0; index < size; ++index) {
    auto byte = static_cast<unsigned char>(data[index]);
    *out++ = "0123456789abcdef"[byte >> 4];
    *out++ = "0123456789abcdef"[byte & 15];
  }
  return out;
}

char* put_wide(char* out, const char* data, size_t bytes) {
  *out++ = '"';
  for (size_t index = 0; index < bytes; index += 2) {
    char low = data[index];
    if (low == '"' || low == '\\') {
      *out++ = '\\';
    }
    *out++ = low;
  }
  *out++ = '"';
  return out;
}

char* put_digits(char* out, unsigned value, int width) {
  for (int index = width - 1; index >= 0; --index) {
    out[index] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return out + width;
}

char* put_timestamp(char* out, const SQL_TIMESTAMP_STRUCT& at) {
  *out++ = '"';
  out = put_digits(out, static_cast<unsigned>(at.year), 4);
  *out++ = '-';
  out = put_digits(out, at.month, 2);
  *out++ = '-';
  out = put_digits(out, at.day, 2);
  *out++ = 'T';
  out = put_digits(out, at.hour, 2);
  *out++ = ':';
  out = put_digits(out, at.minute, 2);
  *out++ = ':';
  out = put_digits(out, at.second, 2);
  *out++ = '.';
  out = put_digits(out, static_cast<unsigned>(at.fraction / 100), 7);
  *out++ = '"';
  return out;
}

char* put_value(char* out, const Column& column, size_t row) {
  SQLLEN length = column.length[row];
  if (length == SQL_NULL_DATA) {
    return put(out, "null");
  }
  const char* data = column.at(row);
  switch (column.c_type) {
    case SQL_C_SBIGINT: {
      int64_t value = 0;
      std::memcpy(&value, data, sizeof value);
      return std::to_chars(out, out + 24, value).ptr;
    }
    case SQL_C_SLONG: {
      int32_t value = 0;
      std::memcpy(&value, data, sizeof value);
      return std::to_chars(out, out + 24, value).ptr;
    }
    case SQL_C_BIT:
      return put(out, *data != 0 ? "true" : "false");
    case SQL_C_WCHAR:
      return put_wide(out, data, static_cast<size_t>(length));
    case SQL_C_TYPE_TIMESTAMP: {
      SQL_TIMESTAMP_STRUCT at{};
      std::memcpy(&at, data, sizeof at);
      return put_timestamp(out, at);
    }
    default:
      *out++ = '"';
      std::memcpy(out, data, static_cast<size_t>(length));
      out += length;
      *out++ = '"';
      return out;
  }
}

}  // namespace

// Captured columns lie between the five leading metadata columns and __$command_id.
std::unique_ptr<Batch> encode(const std::vector<Column>& columns, size_t rows) {
  auto batch = std::make_unique<Batch>();
  batch->text.resize(kBlockRows * kEnvelopeBytesMax);
  batch->messages.resize(rows);
  char* out = batch->text.data();
  for (size_t row = 0; row < rows; ++row) {
    char* begin = out;
    out = put(out,
              "{\"op\":\"insert\",\"database\":\"bench\",\"schema\":\"dbo\",\"table\":\"orders\","
              "\"source\":{\"commit_lsn\":\"");
    out = put_hex(out, columns[0].at(row), 10);
    out = put(out, "\",\"change_lsn\":\"");
    out = put_hex(out, columns[2].at(row), 10);
    out = put(out, "\"},\"after\":{");
    for (size_t index = 5; index + 1 < columns.size(); ++index) {
      out = put(out, index == 5 ? "\"" : ",\"");
      out = put(out, columns[index].name.c_str());
      out = put(out, "\":");
      out = put_value(out, columns[index], row);
    }
    out = put(out, "}}");
    Message& message = batch->messages[row];
    message.offset = static_cast<uint32_t>(begin - batch->text.data());
    message.size = static_cast<uint32_t>(out - begin);
    char* key_end = put_value(message.key, columns[5], row);
    message.key_size = static_cast<uint32_t>(key_end - message.key);
  }
  return batch;
}

rd_kafka_t* make_producer(const char* brokers, const char* linger_ms, DeliveryReport report) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const char* const settings[][2] = {{"bootstrap.servers", brokers},
                                     {"linger.ms", linger_ms},
                                     {"batch.num.messages", "10000"},
                                     {"batch.size", "1000000"},
                                     {"acks", "all"},
                                     {"enable.idempotence", "true"},
                                     {"queue.buffering.max.messages", "100000"}};
  for (const auto& setting : settings) {
    if (rd_kafka_conf_set(conf, setting[0], setting[1], error, sizeof error) != RD_KAFKA_CONF_OK) {
      std::fprintf(stderr, "%s\n", error);
      std::exit(1);
    }
  }
  rd_kafka_conf_set_dr_msg_cb(conf, report);
  return rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
}

}  // namespace dstream::bench
