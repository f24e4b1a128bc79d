#include "plugins/sqlserver_cdc/connection.h"

#include <Poco/Data/ODBC/ConnectionHandle.h>
#include <Poco/UnicodeConverter.h>
#include <sqlucode.h>

#include <algorithm>
#include <array>
#include <utility>

#include "plugins/sqlserver_cdc/utf16.h"

namespace dstream::sqlserver {
namespace {

constexpr int kDiagnosticsMax = 64;  // a driver that repeats itself must not keep us here

// Where several servers refuse, whatever may be over at the next try decides.
SourceError all_of(const std::vector<SourceError>& refusals) {
  const SourceError* decides = &refusals.front();
  std::string text;
  for (const SourceError& each : refusals) {
    if (decides->status != DSTREAM_REOPEN && each.status == DSTREAM_REOPEN) {
      decides = &each;
    }
    text += (text.empty() ? "" : " ") + std::string(each.what());
  }
  return {decides->status, text, decides->vendor_code, decides->sqlstate};
}

}  // namespace

std::vector<Diagnostic> diagnostics_of(SQLSMALLINT type, SQLHANDLE handle) {
  std::vector<Diagnostic> all;
  for (SQLSMALLINT record = 1; record <= kDiagnosticsMax; ++record) {
    std::array<SQLWCHAR, 6> state{};
    std::array<SQLWCHAR, 1025> message{};
    SQLINTEGER native = 0;
    SQLSMALLINT length = 0;
    const SQLRETURN result =
        SQLGetDiagRecW(type, handle, record, state.data(), &native, message.data(),
                       static_cast<SQLSMALLINT>(message.size() - 1), &length);
    if (!SQL_SUCCEEDED(result)) {
      break;
    }
    size_t units = 0;
    while (units < message.size() - 1 && message[units] != 0) {
      ++units;
    }
    Diagnostic diagnostic;
    for (size_t i = 0; i < 5 && state[i] != 0; ++i) {
      diagnostic.sqlstate += static_cast<char>(state[i]);
    }
    diagnostic.native = native;
    diagnostic.message.resize(utf8_size_max(units));
    const char* end = utf16_to_utf8(message.data(), units, diagnostic.message.data());
    diagnostic.message.resize(static_cast<size_t>(end - diagnostic.message.data()));
    all.push_back(std::move(diagnostic));
  }
  return all;
}

std::u16string to_utf16(std::string_view text) {
  // Nearly all statements; one that looks at a thousand tables is 60 KB long.
  if (std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; })) {
    return {text.begin(), text.end()};
  }
  Poco::UTF16String wide;
  Poco::UnicodeConverter::convert(std::string(text), wide);
  return {wide.begin(), wide.end()};
}

Connection::Connection(const OdbcConnection& target, std::chrono::seconds login_timeout,
                       std::chrono::seconds query_timeout, std::shared_ptr<DriverCalls> calls)
    : calls_(std::move(calls)),
      handles_(std::make_unique<Poco::Data::ODBC::ConnectionHandle>()),
      query_timeout_(query_timeout),
      secrets_(target.secrets),
      read_only_(target.read_only) {
  handle_ = std::as_const(*handles_).handle();
  SQLSetConnectAttrW(handle_, SQL_ATTR_LOGIN_TIMEOUT,
                     as_attribute(static_cast<size_t>(login_timeout.count())), 0);
  const size_t count = target.servers.size();
  const size_t first = target.answered->load();
  std::vector<SourceError> refusals;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = (first + i) % count;
    try {
      calls_->set_timeout(login_timeout);
      connect(target.servers[at]);
      calls_->set_timeout(query_timeout);
      if (count == 1 || read_only_ || is_writable()) {
        target.answered->store(at);
        return;
      }
      refusals.emplace_back(DSTREAM_REOPEN,
                            "On " + target_ +
                                " the database can only be read, as on a secondary "
                                "replica (application_intent=ReadOnly accepts it).");
    } catch (const SourceError& error) {
      refusals.push_back(error);
    }
    disconnect();
  }
  throw all_of(refusals);
}

void Connection::connect(const OdbcServer& server) {
  target_ = server.target;
  std::u16string text = to_utf16(server.text);
  const SQLRETURN result = [&] {
    const DriverCall call(*calls_);
    return SQLDriverConnectW(handle_, nullptr, reinterpret_cast<SQLWCHAR*>(text.data()),
                             static_cast<SQLSMALLINT>(text.size()), nullptr, 0, nullptr,
                             SQL_DRIVER_NOPROMPT);
  }();
  if (!SQL_SUCCEEDED(result)) {
    SourceError made = error("Connecting to " + target_, diagnostics_of(SQL_HANDLE_DBC, handle_));
    if (made.status == DSTREAM_FATAL || made.status == DSTREAM_RETRY) {
      made.status = DSTREAM_REOPEN;  // whatever kept us out may be over at the next try
    }
    throw made;
  }
  connected_ = true;
}

bool Connection::is_writable() {
  Statement statement(*this,
                      "SELECT CONVERT(nvarchar(20), DATABASEPROPERTYEX(DB_NAME(), "
                      "'Updateability'))",
                      {}, "Looking at the database");
  std::string text;
  const bool is_known = statement.next_row() && statement.get_text(1, &text);
  read_to_the_end(statement);
  return !is_known || text != "READ_ONLY";
}

void Connection::disconnect() {
  if (connected_) {
    SQLDisconnect(handle_);
    connected_ = false;
  }
}

Connection::~Connection() { disconnect(); }

void Connection::cancel() {
  std::unique_lock lock(mutex_);
  cancelled_ = true;
  if (!idle_.wait_for(lock, kCancelGrace, [this] { return running_ == SQL_NULL_HSTMT; })) {
    SQLCancel(running_);
  }
}

void Connection::running(SQLHSTMT statement) {
  const std::lock_guard lock(mutex_);
  if (cancelled_) {
    throw SourceError(DSTREAM_CANCELLED, "The source was asked to stop.");
  }
  running_ = statement;
}

void Connection::finished() {
  {
    const std::lock_guard lock(mutex_);
    running_ = SQL_NULL_HSTMT;
  }
  idle_.notify_all();
}

bool Connection::dead() const {
  if (!connected_) {
    return false;  // not connected yet: the diagnostics decide
  }
  SQLUINTEGER dead = SQL_CD_FALSE;
  const SQLRETURN result =
      SQLGetConnectAttr(handle_, SQL_ATTR_CONNECTION_DEAD, &dead, sizeof dead, nullptr);
  return !SQL_SUCCEEDED(result) || dead == SQL_CD_TRUE;
}

SourceError Connection::error(std::string_view doing,
                              const std::vector<Diagnostic>& diagnostics) const {
  std::vector<Diagnostic> clean = diagnostics;
  for (Diagnostic& diagnostic : clean) {
    diagnostic.message = scrub(diagnostic.message, secrets_);
  }
  return make_error(doing, clean, dead());
}

// What the driver keeps pointers to until the statement is freed.
struct Statement::Bound {
  struct Slot {
    std::array<uint8_t, Lsn::kBytes> lsn{};
    SQLINTEGER number = 0;
    std::u16string text;
    SQLLEN indicator = 0;
  };
  std::vector<Slot> slots;
};

Statement::Statement(Connection& connection, std::string_view sql,
                     const std::vector<BindValue>& values, std::string doing)
    : connection_(connection), doing_(std::move(doing)), bound_(std::make_unique<Bound>()) {
  if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, connection.handle(), &handle_))) {
    throw connection_.error(doing_, diagnostics_of(SQL_HANDLE_DBC, connection.handle()));
  }
  try {
    SQLSetStmtAttr(handle_, SQL_ATTR_QUERY_TIMEOUT,
                   as_attribute(static_cast<size_t>(connection.query_timeout().count())), 0);
    bind(values);
    connection_.running(handle_);
    execute(sql);
  } catch (...) {
    connection_.finished();
    SQLFreeHandle(SQL_HANDLE_STMT, handle_);
    throw;
  }
}

DescribedColumn Statement::describe(SQLSMALLINT column) {
  std::array<SQLWCHAR, 256> name{};
  SQLSMALLINT length = 0;
  SQLSMALLINT nullable = 0;
  DescribedColumn described;
  check(SQLDescribeColW(handle_, static_cast<SQLUSMALLINT>(column), name.data(),
                        static_cast<SQLSMALLINT>(name.size()), &length, &described.sql_type,
                        &described.size, &described.digits, &nullable));
  const auto units = std::min<size_t>(static_cast<size_t>(length), name.size() - 1);
  described.name.resize(utf8_size_max(units));
  const char* end = utf16_to_utf8(name.data(), units, described.name.data());
  described.name.resize(static_cast<size_t>(end - described.name.data()));
  return described;
}

Statement::~Statement() {
  connection_.finished();
  const DriverCall call(connection_.calls());  // it may have to tell the server to stop
  SQLFreeHandle(SQL_HANDLE_STMT, handle_);
}

void Statement::bind(const std::vector<BindValue>& values) {
  bound_->slots.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const BindValue& value = values[i];
    Bound::Slot& slot = bound_->slots[i];
    const auto number = static_cast<SQLUSMALLINT>(i + 1);
    SQLRETURN result = SQL_ERROR;
    switch (value.kind) {
      case BindValue::Kind::kLsn:
        value.lsn.to_bytes(slot.lsn.data());
        slot.indicator = Lsn::kBytes;
        result = SQLBindParameter(handle_, number, SQL_PARAM_INPUT, SQL_C_BINARY, SQL_BINARY,
                                  Lsn::kBytes, 0, slot.lsn.data(), Lsn::kBytes, &slot.indicator);
        break;
      case BindValue::Kind::kInt:
        slot.number = value.number;
        slot.indicator = sizeof slot.number;
        result = SQLBindParameter(handle_, number, SQL_PARAM_INPUT, SQL_C_SLONG, SQL_INTEGER, 0, 0,
                                  &slot.number, 0, &slot.indicator);
        break;
      case BindValue::Kind::kText:
        slot.text = to_utf16(value.text);
        slot.indicator = static_cast<SQLLEN>(slot.text.size() * 2);
        result = SQLBindParameter(handle_, number, SQL_PARAM_INPUT, SQL_C_WCHAR, SQL_WVARCHAR,
                                  std::max<SQLULEN>(slot.text.size(), 1), 0, slot.text.data(),
                                  slot.indicator, &slot.indicator);
        break;
    }
    check(result);
  }
}

void Statement::execute(std::string_view sql) {
  // The array size stays 1 here: with a larger one Microsoft's driver would open a server cursor.
  std::u16string wide = to_utf16(sql);
  const SQLRETURN result = [&] {
    const DriverCall call(connection_.calls());
    return SQLExecDirectW(handle_, reinterpret_cast<SQLWCHAR*>(wide.data()),
                          static_cast<SQLINTEGER>(wide.size()));
  }();
  check(result);
  SQLSMALLINT columns = 0;
  check(SQLNumResultCols(handle_, &columns));
  if (columns == 0) {
    next_result();
  }
}

void Statement::check(SQLRETURN result) {
  if (result == SQL_SUCCESS) {
    return;
  }
  const std::vector<Diagnostic> diagnostics = diagnostics_of(SQL_HANDLE_STMT, handle_);
  if (result == SQL_SUCCESS_WITH_INFO || result == SQL_NO_DATA) {
    bool fine = true;
    for (const Diagnostic& diagnostic : diagnostics) {
      fine = fine && is_information(diagnostic);
    }
    if (fine) {
      return;
    }
  }
  throw connection_.error(doing_, diagnostics);
}

SQLRETURN Statement::fetch() {
  const DriverCall call(connection_.calls());
  return SQLFetch(handle_);
}

SQLRETURN Statement::get_data(SQLUSMALLINT column, SQLSMALLINT type, SQLPOINTER out, SQLLEN room,
                              SQLLEN* length) {
  const DriverCall call(connection_.calls());
  return SQLGetData(handle_, column, type, out, room, length);
}

bool Statement::next_row() {
  const SQLRETURN result = fetch();
  check(result);
  return result != SQL_NO_DATA;
}

bool Statement::next_result() {
  for (;;) {
    const SQLRETURN result = [&] {
      const DriverCall call(connection_.calls());
      return SQLMoreResults(handle_);
    }();
    check(result);
    if (result == SQL_NO_DATA) {
      return false;
    }
    SQLSMALLINT columns = 0;
    check(SQLNumResultCols(handle_, &columns));
    if (columns > 0) {
      return true;
    }
  }
}

bool Statement::get_lsn(SQLUSMALLINT column, Lsn* out) {
  std::array<uint8_t, Lsn::kBytes> bytes{};
  SQLLEN length = 0;
  check(get_data(column, SQL_C_BINARY, bytes.data(), Lsn::kBytes, &length));
  *out = Lsn{};
  if (length == SQL_NULL_DATA) {
    return false;
  }
  if (length != Lsn::kBytes) {
    throw SourceError(DSTREAM_FATAL,
                      doing_ + " failed: an LSN of " + std::to_string(length) + " bytes arrived.");
  }
  *out = Lsn::from_bytes(bytes.data());
  return true;
}

bool Statement::get_int(SQLUSMALLINT column, int64_t* out) {
  SQLBIGINT value = 0;
  SQLLEN length = 0;
  check(get_data(column, SQL_C_SBIGINT, &value, sizeof value, &length));
  *out = length == SQL_NULL_DATA ? 0 : value;
  return length != SQL_NULL_DATA;
}

bool Statement::get_text(SQLUSMALLINT column, std::string* out) {
  std::array<SQLWCHAR, 4097> text{};
  SQLLEN length = 0;
  check(get_data(column, SQL_C_WCHAR, text.data(), sizeof text, &length));
  out->clear();
  if (length == SQL_NULL_DATA) {
    return false;
  }
  if (length < 0 || length > static_cast<SQLLEN>(sizeof text - sizeof text[0])) {
    throw SourceError(DSTREAM_FATAL, doing_ + " failed: a name is too long.");
  }
  const auto units = static_cast<size_t>(length) / sizeof text[0];
  out->resize(utf8_size_max(units));
  const char* end = utf16_to_utf8(text.data(), units, out->data());
  out->resize(static_cast<size_t>(end - out->data()));
  return true;
}

bool Statement::get_timestamp(SQLUSMALLINT column, SQL_TIMESTAMP_STRUCT* out) {
  SQLLEN length = 0;
  check(get_data(column, SQL_C_TYPE_TIMESTAMP, out, sizeof *out, &length));
  return length != SQL_NULL_DATA;
}

}  // namespace dstream::sqlserver
