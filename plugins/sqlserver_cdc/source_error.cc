#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

// FreeTDS numbers its own errors 20000..20100; 20003 is its time-out, 20002 and 20014 its login
// failures, which the server's own message explains better.
bool is_freetds_connection_error(int32_t native) {
  return native >= 20004 && native <= 20056 && native != 20014 && native != 20018;
}

// docs/sqlserver.md has the same list for operators; source_error_test.cc holds them together.
constexpr ServerError kServerErrors[] = {
    // Databases that move, restart or throttle: the connection is or will be gone.
    {596, DSTREAM_REOPEN},
    {615, DSTREAM_REOPEN},
    {926, DSTREAM_REOPEN},
    {4221, DSTREAM_REOPEN},
    {6005, DSTREAM_REOPEN},
    {6006, DSTREAM_REOPEN},
    {9001, DSTREAM_REOPEN},
    {10053, DSTREAM_REOPEN},
    {10054, DSTREAM_REOPEN},
    {10060, DSTREAM_REOPEN},
    {10928, DSTREAM_REOPEN},
    {10929, DSTREAM_REOPEN},
    {11001, DSTREAM_REOPEN},
    {17142, DSTREAM_REOPEN},
    {17809, DSTREAM_REOPEN},
    {40143, DSTREAM_REOPEN},
    {40197, DSTREAM_REOPEN},
    {40501, DSTREAM_REOPEN},
    {40613, DSTREAM_REOPEN},
    {49918, DSTREAM_REOPEN},
    {49919, DSTREAM_REOPEN},
    {49920, DSTREAM_REOPEN},
    // A replica of an availability group that does not serve the database, now.
    {976, DSTREAM_REOPEN},
    {978, DSTREAM_REOPEN},
    {979, DSTREAM_REOPEN},
    {981, DSTREAM_REOPEN},
    {982, DSTREAM_REOPEN},
    {983, DSTREAM_REOPEN},
    {988, DSTREAM_REOPEN},
    // What was read of the catalog is not true any more; 313 and 22829: nor are the LSNs.
    {207, DSTREAM_REOPEN},
    {208, DSTREAM_REOPEN},
    {313, DSTREAM_REOPEN},
    {3961, DSTREAM_REOPEN},
    {22829, DSTREAM_REOPEN},
    // The server could not do it now.
    {601, DSTREAM_RETRY},
    {701, DSTREAM_RETRY},
    {1204, DSTREAM_RETRY},
    {1205, DSTREAM_RETRY},
    {1222, DSTREAM_RETRY},
    {2801, DSTREAM_RETRY},
    {3960, DSTREAM_RETRY},
    {8628, DSTREAM_RETRY},
    {8645, DSTREAM_RETRY},
    {8651, DSTREAM_RETRY},
    // The login may not.
    {229, DSTREAM_DENIED},
    {230, DSTREAM_DENIED},
    {262, DSTREAM_DENIED},
    {297, DSTREAM_DENIED},
    {300, DSTREAM_DENIED},
    {916, DSTREAM_DENIED},
    {4060, DSTREAM_DENIED},
    {18452, DSTREAM_DENIED},
    {18456, DSTREAM_DENIED},
    {18470, DSTREAM_DENIED},
};

// FATAL if it is none of the numbers above.
dstream_status status_of(int32_t number) {
  for (const ServerError& error : kServerErrors) {
    if (error.number == number) {
      return error.status;
    }
  }
  return DSTREAM_FATAL;
}

// The driver's prefix ("[FreeTDS][SQL Server]") says nothing an operator needs.
std::string_view without_prefix(std::string_view message) {
  while (!message.empty() && message.front() == '[') {
    const size_t end = message.find(']');
    if (end == std::string_view::npos) {
      break;
    }
    message.remove_prefix(end + 1);
  }
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) {
    message.remove_suffix(1);
  }
  return message;
}

std::string_view hint(const Diagnostic& diagnostic) {
  switch (diagnostic.native) {
    case 18456:
      return " Check user and password of the connection.";
    case 4060:
      return " Check the database name, and that the login has a user in it.";
    case 229:
      return " Grant SELECT on schema cdc, or membership in db_owner.";
    case 976:
    case 983:
      return " Another replica may be the primary now: connect to the availability group's "
             "listener, "
             "or name both servers.";
    case 978:
      return " Say application_intent=ReadOnly in the connection to read from a secondary replica.";
    case 208:
      return " The capture instance may have been dropped.";
    case 20009:
      return " Check host and port, and that the server runs and can be reached from here.";
    case 20002:
      return " If the server offers no TLS, say encrypt=no in the connection.";
    default:
      // As Microsoft's driver reports what FreeTDS calls 20009.
      return diagnostic.sqlstate == "08001"
                 ? " Check host and port, that the server runs and can be reached from here, and "
                   "the wish for encryption."
                 : "";
  }
}

}  // namespace

std::span<const ServerError> server_errors() { return kServerErrors; }

bool is_information(const Diagnostic& diagnostic) {
  const bool class_fine =
      diagnostic.sqlstate.starts_with("01") || diagnostic.sqlstate.starts_with("00");
  return class_fine && !(diagnostic.native >= 20000 && diagnostic.native <= 20100) &&
         diagnostic.sqlstate != "01004" && diagnostic.sqlstate != "01S01";
}

dstream_status classify(const Diagnostic& diagnostic, bool dead) {
  const std::string_view state = diagnostic.sqlstate;
  const dstream_status known = status_of(diagnostic.native);
  if (known == DSTREAM_DENIED || (state == "28000" && known == DSTREAM_FATAL)) {
    return DSTREAM_DENIED;
  }
  if (state == "IM002" || state == "IM003" || state == "01S00") {
    return DSTREAM_CONFIG;
  }
  if (dead || state.starts_with("08") || state == "HYT01" || known == DSTREAM_REOPEN ||
      is_freetds_connection_error(diagnostic.native)) {
    return DSTREAM_REOPEN;
  }
  if (state.starts_with("40") || state == "HYT00" || state == "HY008" ||
      diagnostic.native == 20003 || known == DSTREAM_RETRY) {
    return DSTREAM_RETRY;
  }
  return DSTREAM_FATAL;
}

SourceError make_error(std::string_view doing, const std::vector<Diagnostic>& diagnostics,
                       bool dead) {
  // A refused login arrives together with connection errors that only repeat it, and "login failed"
  // together with the reason for it, such as a database that is not there.
  const Diagnostic* chosen = nullptr;
  int chosen_weight = -1;
  for (const Diagnostic& diagnostic : diagnostics) {
    int weight = is_information(diagnostic) ? -1 : 0;
    if (classify(diagnostic, false) == DSTREAM_DENIED) {
      weight = diagnostic.native == 18456 ? 1 : 2;
    } else if (status_of(diagnostic.native) == DSTREAM_REOPEN) {
      weight = 3;  // why the login was refused: over in a while, which a wrong password is not
    }
    if (weight > chosen_weight) {
      chosen = &diagnostic;
      chosen_weight = weight;
    }
  }
  std::string text(doing);
  text += " failed: ";
  if (chosen == nullptr) {
    text += dead ? "the connection is lost." : "the driver gives no reason.";
    return {dead ? DSTREAM_REOPEN : DSTREAM_FATAL, text};
  }
  text += without_prefix(chosen->message);
  if (text.back() != '.') {
    text += '.';
  }
  text += hint(*chosen);
  return {classify(*chosen, dead), text, chosen->native, chosen->sqlstate};
}

SourceError server_is_silent(const std::string& target) {
  return {DSTREAM_REOPEN,
          target +
              " does not answer any more, nor does it say that the connection is gone. The "
              "connection is given up, and another one is opened."};
}

}  // namespace dstream::sqlserver
