#include "tests/standins/sqlserver/protocol/requests.h"

#include <array>

#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {
namespace {

constexpr uint16_t kCallByNumber = 0xFFFF;
constexpr uint8_t kParameterOutput = 0x01;
constexpr uint8_t kParameterDefault = 0x02;
constexpr uint8_t kParameterEncrypted = 0x08;
constexpr size_t kParametersMax = 2'100;

constexpr std::array<std::string_view, 16> kProcedureNames = {"",
                                                              "sp_cursor",
                                                              "sp_cursoropen",
                                                              "sp_cursorprepare",
                                                              "sp_cursorexecute",
                                                              "sp_cursorprepexec",
                                                              "sp_cursorunprepare",
                                                              "sp_cursorfetch",
                                                              "sp_cursoroption",
                                                              "sp_cursorclose",
                                                              "sp_executesql",
                                                              "sp_prepare",
                                                              "sp_execute",
                                                              "sp_prepexec",
                                                              "sp_prepexecrpc",
                                                              "sp_unprepare"};

std::string read_b_varchar(ByteReader* reader) {
  return utf8_of_utf16(reader->bytes(reader->u8() * size_t{2}));
}

// The name of a transaction, whose length is in bytes.
std::string read_transaction_name(ByteReader* reader) {
  return utf8_of_utf16(reader->bytes(reader->u8()));
}

// Between two calls of one message.
bool at_separator(const ByteReader& reader, const Dialect& dialect) {
  return reader.peek() == 0xFE || reader.peek() == (dialect.wide ? 0xFF : 0x80);
}

constexpr std::string_view kStreamIncorrect =
    "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is "
    "incorrect.";

ServerMessage stream_problem(int32_t number, const std::string& text) {
  ServerMessage problem;
  problem.number = number;
  problem.state = 3;
  problem.text = kStreamIncorrect;
  problem.text += text.empty() ? "" : " " + text;
  return problem;
}

ServerMessage type_problem(size_t ordinal, const std::string& name, uint8_t token) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return stream_problem(8009, "Parameter " + std::to_string(ordinal) + " (\"" + name +
                                  "\"): Data type 0x" + kDigits[token >> 4] + kDigits[token & 15] +
                                  " is unknown.");
}

// In the order of TypeId.
constexpr std::array<std::string_view, 33> kTypeNames = {"bit",
                                                         "tinyint",
                                                         "smallint",
                                                         "int",
                                                         "bigint",
                                                         "real",
                                                         "float",
                                                         "decimal",
                                                         "numeric",
                                                         "money",
                                                         "smallmoney",
                                                         "date",
                                                         "time",
                                                         "datetime",
                                                         "smalldatetime",
                                                         "datetime2",
                                                         "datetimeoffset",
                                                         "char",
                                                         "varchar",
                                                         "text",
                                                         "nchar",
                                                         "nvarchar",
                                                         "ntext",
                                                         "xml",
                                                         "binary",
                                                         "varbinary",
                                                         "image",
                                                         "timestamp",
                                                         "uniqueidentifier",
                                                         "sql_variant",
                                                         "hierarchyid",
                                                         "geography",
                                                         "geometry"};
static_assert(kTypeNames.size() == static_cast<size_t>(TypeId::kGeometry) + 1);

ServerMessage value_problem(size_t ordinal, const std::string& name, TypeId type) {
  return stream_problem(
      8023, "Parameter " + std::to_string(ordinal) + " (\"" + name +
                "\"): The supplied value is not a valid instance of data type " +
                std::string(kTypeNames[static_cast<size_t>(type)]) +
                ". Check the source data for invalid values. An example of an invalid value is "
                "data of numeric type with scale greater than precision.");
}

bool read_parameter(ByteReader* reader, size_t ordinal, Parameter* parameter,
                    ServerMessage* problem) {
  parameter->name = read_b_varchar(reader);
  const uint8_t status = reader->u8();
  parameter->output = (status & kParameterOutput) != 0;
  parameter->use_default = (status & kParameterDefault) != 0;
  const uint8_t token = reader->peek();
  ParameterType type;
  if ((status & kParameterEncrypted) != 0 || !read_type_info(reader, &type)) {
    *problem = type_problem(ordinal, parameter->name, token);
    return false;
  }
  // Nothing follows the untyped NULL.
  if (!type.is_null_type && !read_value(reader, type.type, type.wire, &parameter->value)) {
    *problem = value_problem(ordinal, parameter->name, type.type.id);
    return false;
  }
  parameter->type = type.type;
  if (!parameter->name.empty() && parameter->name.front() == '@') {
    parameter->name.erase(0, 1);
  }
  return true;
}

bool read_call(ByteReader* reader, const Dialect& dialect, ProcedureCall* call,
               ServerMessage* problem) {
  const uint16_t name_units = reader->u16();
  if (name_units == kCallByNumber) {
    call->number = reader->u16();
    call->name = procedure_name(call->number);
    if (call->name.empty() && reader->ok()) {
      *problem =
          stream_problem(8009, "Procedure number " + std::to_string(call->number) + " is unknown.");
      return false;
    }
  } else {
    call->name = utf8_of_utf16(reader->bytes(name_units * size_t{2}));
  }
  reader->u16();  // flags: recompile, no metadata, reuse of metadata; nothing follows from them
  while (!reader->at_end() && !at_separator(*reader, dialect)) {
    if (call->parameters.size() == kParametersMax) {
      *problem = stream_problem(8003, "");
      problem->text =
          "The incoming request has too many parameters. The server supports a maximum of "
          "2100 parameters. Reduce the number of parameters and resend the request.";
      return false;
    }
    call->parameters.emplace_back();
    if (!read_parameter(reader, call->parameters.size(), &call->parameters.back(), problem)) {
      return false;
    }
  }
  return reader->ok();
}

}  // namespace

bool skip_all_headers(ByteReader* reader, const Dialect& dialect) {
  if (!dialect.wide) {
    return true;
  }
  const uint32_t total = reader->u32();
  if (total < 4) {
    return false;
  }
  reader->bytes(total - 4);
  return reader->ok();
}

bool read_batch(std::string_view body, const Dialect& dialect, std::string* sql) {
  ByteReader reader(body);
  if (!skip_all_headers(&reader, dialect)) {
    return false;
  }
  *sql = utf8_of_utf16(reader.bytes(reader.remaining()));
  return true;
}

std::string_view procedure_name(uint16_t number) {
  return number < kProcedureNames.size() ? kProcedureNames[number] : std::string_view{};
}

std::string ProcedureCall::text(size_t bytes_max) const {
  std::string text = name;
  for (const Parameter& parameter : parameters) {
    const bool is_text = is_utf16(parameter.type.id) || is_single_byte_text(parameter.type.id);
    if (is_text && !parameter.value.null && text.size() < bytes_max) {
      text += ' ';
      text += parameter.value.text;
    }
  }
  if (text.size() > bytes_max) {
    text.resize(bytes_max);
  }
  return text;
}

bool read_procedure_calls(std::string_view body, const Dialect& dialect,
                          std::vector<ProcedureCall>* calls, ServerMessage* problem) {
  ByteReader reader(body);
  *problem = stream_problem(8009, "");
  if (!skip_all_headers(&reader, dialect)) {
    return false;
  }
  do {
    ProcedureCall call;
    if (!read_call(&reader, dialect, &call, problem)) {
      return false;
    }
    calls->push_back(std::move(call));
    if (!reader.at_end()) {
      reader.u8();  // the separator
    }
  } while (!reader.at_end());
  return reader.ok();
}

std::string_view transaction_text(TransactionAction action) {
  switch (action) {
    case TransactionAction::kBegin:
      return "BEGIN TRANSACTION";
    case TransactionAction::kCommit:
      return "COMMIT TRANSACTION";
    case TransactionAction::kRollback:
      return "ROLLBACK TRANSACTION";
    case TransactionAction::kSave:
      return "SAVE TRANSACTION";
    case TransactionAction::kGetDtcAddress:
      break;
  }
  return "";
}

bool read_transaction_request(std::string_view body, const Dialect& dialect,
                              TransactionRequest* request) {
  ByteReader reader(body);
  if (!skip_all_headers(&reader, dialect)) {
    return false;
  }
  request->action = static_cast<TransactionAction>(reader.u16());
  switch (request->action) {
    case TransactionAction::kBegin:
      request->isolation = reader.u8();
      request->name = read_transaction_name(&reader);
      return reader.ok();
    case TransactionAction::kCommit:
    case TransactionAction::kRollback:
      request->name = read_transaction_name(&reader);
      // Some clients leave the flags out.
      request->begins_anew = !reader.at_end() && (reader.u8() & 1) != 0;
      if (request->begins_anew) {
        request->next_isolation = reader.u8();
        read_transaction_name(&reader);
      }
      return reader.ok();
    case TransactionAction::kSave:
      request->name = read_transaction_name(&reader);
      return reader.ok() && !request->name.empty();
    case TransactionAction::kGetDtcAddress:
      return false;
  }
  return false;
}

}  // namespace dstream::standin
