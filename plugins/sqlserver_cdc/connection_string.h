// From the `connection` of the configuration to what an ODBC driver understands.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dstream::sqlserver {

enum class DriverKind { kMicrosoft, kFreeTds, kOther };

// A driver as the driver manager knows it: a name from odbcinst.ini, or the path of a library.
struct Driver {
  std::string name;
  DriverKind kind = DriverKind::kOther;
};

// One of the servers that a connection may lead to.
struct OdbcServer {
  std::string text;    // for SQLDriverConnect; secret (I11)
  std::string target;  // "db.example.com:1433, database shop", for messages
};

struct OdbcConnection {
  std::vector<OdbcServer> servers;  // one, and its failover partners; tried in turn
  Driver driver;                    // kOther for a string that was passed through
  std::string target;               // "a:1433 or b:1433, database shop", for messages
  bool encrypted = false;
  bool read_only = false;  // ApplicationIntent=ReadOnly
  // TLS is on but the driver cannot check the certificate: said once in the log.
  bool unverified = false;
  std::vector<std::string> secrets;  // never to appear in a message
  // Which of `servers` has answered last: the next connection begins there. Shared by copies.
  std::shared_ptr<std::atomic<size_t>> answered = std::make_shared<std::atomic<size_t>>(0);
};

// Turns `connection` into a connection string. A URL is translated for the driver it names or the
// best of `installed`; anything else is an ODBC string and is passed through.
//
// Throws SourceError(CONFIG) with what is wrong, without quoting the secret parts.
OdbcConnection make_connection(std::string_view connection, const std::vector<Driver>& installed);

// The drivers of odbcinst.ini that can speak to SQL Server, and FreeTDS where Debian installs it.
std::vector<Driver> installed_drivers();

// A value of a connection string, in braces if it needs them. FreeTDS ends a braced value at "};"
// and does not undo doubled braces, so it gets its own form.
// Throws SourceError(CONFIG) for what FreeTDS cannot be told: a value with "};" in it.
std::string quote_value(std::string_view value, DriverKind kind);

// `text` with every secret replaced by "***".
std::string scrub(std::string text, const std::vector<std::string>& secrets);

}  // namespace dstream::sqlserver
