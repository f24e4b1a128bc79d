// How a failure becomes a status the host understands.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dstream/abi.h"

namespace dstream::sqlserver {

// Ends a call with a status. `what()` is one sentence for an operator; it never holds a secret
// (I11).
class SourceError : public std::runtime_error {
 public:
  SourceError(dstream_status status_, const std::string& message, int32_t vendor_code_ = 0,
              std::string sqlstate_ = {})
      : std::runtime_error(message),
        status(status_),
        vendor_code(vendor_code_),
        sqlstate(std::move(sqlstate_)) {}

  dstream_status status;
  int32_t vendor_code;   // SQL Server's error number, or the driver's own
  std::string sqlstate;  // empty if there is none
};

// One diagnostic record of an ODBC handle.
struct Diagnostic {
  std::string sqlstate;
  int32_t native = 0;
  std::string message;
};

// True for what a driver says besides a successful call (class 01 and 00) and means no failure.
//
// Both drivers report a server error in the middle of a block fetch as SUCCESS_WITH_INFO, and
// FreeTDS reports a cut connection with SQLSTATE 01000 and its own number 20017: neither passes.
bool is_information(const Diagnostic& diagnostic);

// The status for a failed call. `dead` is SQL_ATTR_CONNECTION_DEAD.
//   REOPEN  connection lost, failover, or an object is gone (208): metadata must be read again
//   RETRY   deadlock victim, lock or query time-out: the same statement may be sent again
//   DENIED  login refused, database not accessible (4060), permission missing
//   CONFIG  the driver named in the connection is not installed
//   FATAL   anything else
//
// REOPEN, of a server that has not answered for longer than its time-outs allow: see
// driver_calls.h.
SourceError server_is_silent(const std::string& target);

// DATA_LOSS is never an error of the server: what is gone shows in LSNs and times, which are looked
// at when the source opens and with every look and page.
dstream_status classify(const Diagnostic& diagnostic, bool dead);

// Errors of SQL Server by their number; what is not among them is FATAL.
struct ServerError {
  int32_t number = 0;
  dstream_status status = DSTREAM_FATAL;
};
std::span<const ServerError> server_errors();

// Makes the error of a failed call from its diagnostics: the first that is not mere information
// decides. `doing` says what was tried ("Reading the changes of dbo.Persons").
SourceError make_error(std::string_view doing, const std::vector<Diagnostic>& diagnostics,
                       bool dead);

}  // namespace dstream::sqlserver
