#include "tests/standins/sqlserver/sql/session_driver.h"

#include <gtest/gtest.h>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

bool RecordingWriter::columns(std::span<const ResultColumn> columns) {
  results.emplace_back();
  results.back().columns.assign(columns.begin(), columns.end());
  return !is_cancelled;
}

bool RecordingWriter::column_sources(std::span<const std::vector<std::string>>,
                                     std::span<const ColumnSource> sources) {
  results.back().sources.assign(sources.begin(), sources.end());
  return !is_cancelled;
}

bool RecordingWriter::row(std::span<const SqlValue> values) {
  results.back().rows.emplace_back(values.begin(), values.end());
  // What the wire could not carry is a bug here, not a row.
  std::string token;
  size_t bad_column = 0;
  EXPECT_TRUE(encode_row(results.back().columns, values, &token, &bad_column))
      << "column " << bad_column;
  return !is_cancelled;
}

bool RecordingWriter::encoded_row(std::string_view token) {
  std::vector<SqlValue> values;
  EXPECT_TRUE(decode_row(results.back().columns, token, &values));
  results.back().rows.push_back(std::move(values));
  ++encoded_rows;
  return !is_cancelled;
}

bool RecordingWriter::message(const ServerMessage& message) {
  messages.push_back(message);
  return true;
}

bool RecordingWriter::transaction_changed(uint8_t kind) {
  transaction_changes.push_back(kind);
  return true;
}

bool RecordingWriter::statement_done(uint16_t, int64_t rows, bool) {
  counts.push_back(rows);
  if (!results.empty() && results.back().count < 0) {
    results.back().count = rows;
  }
  return true;
}

bool RecordingWriter::return_status(int32_t value) {
  status = value;
  return true;
}

bool RecordingWriter::return_value(const Parameter& parameter) {
  return_values.push_back(parameter);
  return true;
}

bool RecordingWriter::wait_cancelled(int timeout_ms) {
  waited_ms += timeout_ms;
  return is_cancelled;
}

SessionDriver::SessionDriver(Engine* engine, std::string_view database)
    : session_(engine->internal_session(database)), writer_(std::make_unique<RecordingWriter>()) {}

RecordingWriter& SessionDriver::run(std::string_view sql) {
  writer_ = std::make_unique<RecordingWriter>();
  session_->batch(sql, *writer_);
  return *writer_;
}

RecordingWriter& SessionDriver::call(std::string_view procedure,
                                     std::vector<Parameter> parameters) {
  writer_ = std::make_unique<RecordingWriter>();
  session_->procedure(procedure, parameters, *writer_);
  return *writer_;
}

std::string SessionDriver::table(std::string_view sql) {
  run(sql);
  EXPECT_EQ(error_text(), "") << sql;
  std::string text;
  if (writer_->results.empty()) {
    return text;
  }
  const RecordedResult& result = writer_->results.back();
  for (const auto& row : result.rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += (i == 0 ? "" : "|") + value_text(result.columns[i].type, row[i]);
    }
    text += "\n";
  }
  return text;
}

std::string SessionDriver::value(std::string_view sql) {
  const std::string text = table(sql);
  return text.empty() ? text : text.substr(0, text.size() - 1);
}

int32_t SessionDriver::error(std::string_view sql) {
  run(sql);
  for (const ServerMessage& message : writer_->messages) {
    if (message.severity > 10) {
      return message.number;
    }
  }
  return 0;
}

std::string SessionDriver::error_text() const {
  for (const ServerMessage& message : writer_->messages) {
    if (message.severity > 10) {
      return message.text;
    }
  }
  return {};
}

std::string SessionDriver::type(std::string_view sql) {
  run(sql);
  EXPECT_EQ(error_text(), "") << sql;
  return writer_->results.empty() ? std::string()
                                  : type_declaration(writer_->results.back().columns[0].type);
}

std::string value_text(const SqlType& type, const SqlValue& value) {
  if (value.null) {
    return "NULL";
  }
  if (type.id == TypeId::kSqlVariant) {
    return value_text(value.variant_type, value);
  }
  if (family_of(type.id) == Family::kBytes || family_of(type.id) == Family::kClr) {
    return "0x" + hex(value.text);
  }
  if (family_of(type.id) == Family::kReal) {
    return convert_value(value, type, nvarchar_type(kMaxLength), 3).text;
  }
  const bool money = type.id == TypeId::kMoney || type.id == TypeId::kSmallMoney;
  return money ? value.text : convert_value(value, type, nvarchar_type(kMaxLength), 121).text;
}

Parameter text_parameter(std::string value) {
  Parameter parameter;
  parameter.type = nvarchar_type(kMaxLength);
  parameter.value = SqlValue::of_text(std::move(value));
  return parameter;
}

Parameter int_parameter(int64_t value) {
  Parameter parameter;
  parameter.type = int_type();
  parameter.value = SqlValue::of_number(value);
  return parameter;
}

Parameter binary_parameter(std::string bytes, int32_t length) {
  Parameter parameter;
  parameter.type = binary_type(length);
  parameter.value = SqlValue::of_text(std::move(bytes));
  return parameter;
}

}  // namespace dstream::standin::sql
