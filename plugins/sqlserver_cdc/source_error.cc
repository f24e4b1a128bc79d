#include "plugins/sqlserver_cdc/source_error.h"

#include <algorithm>
#include <array>

namespace dstream::sqlserver {
namespace {

template <size_t size>
bool among(const std::array<int32_t, size>& numbers, int32_t number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

// FreeTDS numbers its own errors 20000..20100; 20003 is its time-out, 20002 and 20014 its login
// failures, which the server's own message explains better.
bool is_freetds_connection_error(int32_t native) {
  return native >= 20004 && native <= 20056 && native != 20014 && native != 20018;
}

// Databases that move, restart or throttle: the connection is or will be gone.
constexpr std::array<int32_t, 21> kConnectionNumbers = {
    596,   615,   926,   4221,  6005,  6006,  10053, 10054, 10060, 10928, 10929,
    11001, 17142, 17809, 40143, 40197, 40501, 40613, 49918, 49919, 49920};
constexpr std::array<int32_t, 10> kDeniedNumbers = {229, 230,  262,   297,   300,
                                                    916, 4060, 18452, 18456, 18470};
constexpr std::array<int32_t, 5> kRetryNumbers = {601, 1204, 1205, 1222, 3960};

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

bool is_information(const Diagnostic& diagnostic) {
  const bool class_fine =
      diagnostic.sqlstate.starts_with("01") || diagnostic.sqlstate.starts_with("00");
  return class_fine && !(diagnostic.native >= 20000 && diagnostic.native <= 20100) &&
         diagnostic.sqlstate != "01004" && diagnostic.sqlstate != "01S01";
}

dstream_status classify(const Diagnostic& diagnostic, bool dead) {
  const std::string_view state = diagnostic.sqlstate;
  if (state == "28000" || among(kDeniedNumbers, diagnostic.native)) {
    return DSTREAM_DENIED;
  }
  if (state == "IM002" || state == "IM003" || state == "01S00") {
    return DSTREAM_CONFIG;
  }
  if (dead || state.starts_with("08") || state == "HYT01" || diagnostic.native == 208 ||
      among(kConnectionNumbers, diagnostic.native) ||
      is_freetds_connection_error(diagnostic.native)) {
    return DSTREAM_REOPEN;
  }
  if (state.starts_with("40") || state == "HYT00" || state == "HY008" ||
      diagnostic.native == 20003 || among(kRetryNumbers, diagnostic.native)) {
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

}  // namespace dstream::sqlserver
