#include "plugins/sqlserver_cdc/connection_string.h"

#include <Poco/Exception.h>
#include <Poco/String.h>
#include <Poco/URI.h>
#include <odbcinst.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

constexpr int kPortDefault = 1433;
constexpr size_t kPartnersMax = 8;  // an availability group has nine replicas
// FreeTDS reads about 15 % faster with larger packets; 16 KiB also suits TLS.
constexpr int kPacketSizeDefault = 16384;

[[noreturn]] void refuse(const std::string& why) {
  throw SourceError(DSTREAM_CONFIG, "connection: " + why);
}

struct UrlOptions {
  std::string database;
  std::string encrypt = "yes";
  bool trust_server_certificate = false;
  std::string application_intent;
  std::string certificate_host;
  std::string driver;
  int packet_size = kPacketSizeDefault;
  std::vector<std::pair<std::string, int>> partners;  // host and port
};

bool read_flag(const std::string& name, const std::string& value) {
  const std::string lower = Poco::toLower(value);
  if (lower == "yes" || lower == "true" || lower == "1") {
    return true;
  }
  if (lower == "no" || lower == "false" || lower == "0") {
    return false;
  }
  refuse("the option " + name + " is yes or no.");
}

std::string read_encrypt(const std::string& value) {
  std::string lower = Poco::toLower(value);
  if (lower == "strict") {
    return lower;
  }
  if (lower == "mandatory" || lower == "optional") {
    return lower == "mandatory" ? "yes" : "no";
  }
  return read_flag("encrypt", lower) ? "yes" : "no";
}

std::string read_intent(const std::string& value) {
  for (const char* intent : {"ReadOnly", "ReadWrite"}) {
    if (Poco::icompare(value, std::string(intent)) == 0) {
      return intent;
    }
  }
  refuse("the option application_intent is ReadOnly or ReadWrite.");
}

int read_packet_size(const std::string& value) {
  int size = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, size);
  if (error != std::errc() || stop != end || size < 512 || size > 32767) {
    refuse("the option packet_size is a number from 512 to 32767.");
  }
  return size;
}

// "host", "host:port", "[address]:port", several with commas.
std::vector<std::pair<std::string, int>> read_partners(const std::string& value) {
  std::vector<std::pair<std::string, int>> partners;
  for (size_t from = 0; from <= value.size();) {
    const size_t comma = std::min(value.find(',', from), value.size());
    const Poco::URI url("sqlserver://" + value.substr(from, comma - from));
    if (url.getHost().empty() || !url.getUserInfo().empty() || !url.getPathEtc().empty()) {
      refuse(
          "the option failover_partner is the other server of the group, host or host:port; "
          "several are separated by commas.");
    }
    partners.emplace_back(url.getHost(), url.getPort() == 0 ? kPortDefault : url.getPort());
    from = comma + 1;
  }
  if (partners.size() > kPartnersMax) {
    refuse("the option failover_partner names " + std::to_string(kPartnersMax) +
           " servers at most.");
  }
  return partners;
}

UrlOptions read_options(const Poco::URI& url) {
  UrlOptions options;
  for (const auto& [name, value] : url.getQueryParameters()) {
    if (value.find_first_of(std::string("\0\n\r", 3)) != std::string::npos) {
      refuse("the option " + name + " holds a control character.");
    }
    if (name == "database") {
      options.database = value;
    } else if (name == "encrypt") {
      options.encrypt = read_encrypt(value);
    } else if (name == "trust_server_certificate") {
      options.trust_server_certificate = read_flag(name, value);
    } else if (name == "hostname_in_certificate") {
      options.certificate_host = value;
    } else if (name == "application_intent") {
      options.application_intent = read_intent(value);
    } else if (name == "packet_size") {
      options.packet_size = read_packet_size(value);
    } else if (name == "failover_partner") {
      options.partners = read_partners(value);
    } else if (name == "driver") {
      options.driver = value;
    } else {
      refuse("the option \"" + name +
             "\" is not known. Known are database, encrypt, trust_server_certificate, "
             "hostname_in_certificate, application_intent, failover_partner, packet_size and "
             "driver.");
    }
  }
  if (options.database.empty()) {
    refuse("name the database: sqlserver://user:password@host:port?database=db");
  }
  return options;
}

DriverKind kind_of(const std::string& name) {
  const std::string lower = Poco::toLower(name);
  if (lower.find("freetds") != std::string::npos || lower.find("tdsodbc") != std::string::npos) {
    return DriverKind::kFreeTds;
  }
  if (lower.find("for sql server") != std::string::npos ||
      lower.find("msodbcsql") != std::string::npos) {
    return DriverKind::kMicrosoft;
  }
  return DriverKind::kOther;
}

Driver choose_driver(const UrlOptions& options, const std::vector<Driver>& installed) {
  if (!options.driver.empty()) {
    return {options.driver, kind_of(options.driver)};
  }
  const Driver* best = nullptr;
  for (const Driver& driver : installed) {
    // "ODBC Driver 18 for SQL Server" before 17: names compare by their number.
    const bool better = best == nullptr || driver.kind < best->kind ||
                        (driver.kind == best->kind && driver.name > best->name);
    if (driver.kind != DriverKind::kOther && better) {
      best = &driver;
    }
  }
  if (best == nullptr) {
    refuse(
        "no ODBC driver for SQL Server is installed. Install msodbcsql18 (Microsoft) or tdsodbc "
        "(FreeTDS).");
  }
  return *best;
}

std::string quote_braced(std::string_view value) {
  std::string out = "{";
  for (const char c : value) {
    out += c;
    if (c == '}') {
      out += c;
    }
  }
  return out += '}';
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

void add_microsoft(const UrlOptions& options, const std::string& host, int port, Pairs& pairs) {
  pairs.emplace_back("Server", host + ',' + std::to_string(port));
  pairs.emplace_back("Encrypt", options.encrypt);
  pairs.emplace_back("TrustServerCertificate", options.trust_server_certificate ? "yes" : "no");
  if (!options.certificate_host.empty()) {
    pairs.emplace_back("HostnameInCertificate", options.certificate_host);
  }
}

void add_freetds(const UrlOptions& options, const std::string& host, int port, Pairs& pairs) {
  if (options.encrypt == "strict") {
    refuse("encrypt=strict needs Microsoft's driver (msodbcsql18); FreeTDS has encrypt=yes.");
  }
  pairs.emplace_back("Server", host);
  pairs.emplace_back("Port", std::to_string(port));
  pairs.emplace_back("Encryption", options.encrypt == "yes" ? "require" : "off");
  // Without it, varchar data comes in the character set of the process's locale.
  pairs.emplace_back("ClientCharset", "UTF-8");
  pairs.emplace_back("PacketSize", std::to_string(options.packet_size));
  pairs.emplace_back("TDS_Version", "7.4");
}

std::string join(const Pairs& pairs, DriverKind kind) {
  std::string text;
  for (const auto& [name, value] : pairs) {
    text += name + '=' + quote_value(value, kind) + ';';
  }
  return text;
}

// User and password are split before decoding: a decoded password may hold a colon.
std::pair<std::string, std::string> credentials(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  const std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  const size_t at = authority.rfind('@');
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view info = authority.substr(0, at);
  const size_t colon = std::min(info.find(':'), info.size());
  std::pair<std::string, std::string> decoded;
  Poco::URI::decode(std::string(info.substr(0, colon)), decoded.first);
  if (colon < info.size()) {
    Poco::URI::decode(std::string(info.substr(colon + 1)), decoded.second);
  }
  return decoded;
}

std::string server_text(const UrlOptions& options, const Driver& driver, const std::string& host,
                        int port, const std::pair<std::string, std::string>& login) {
  Pairs pairs{{"Driver", driver.name}};
  if (driver.kind == DriverKind::kFreeTds) {
    add_freetds(options, host, port, pairs);
  } else {
    add_microsoft(options, host, port, pairs);
  }
  pairs.emplace_back("Database", options.database);
  if (login.first.empty()) {
    pairs.emplace_back("Trusted_Connection", "yes");
  } else {
    pairs.emplace_back("UID", login.first);
    pairs.emplace_back("PWD", login.second);
  }
  if (!options.application_intent.empty()) {
    pairs.emplace_back("ApplicationIntent", options.application_intent);
  }
  pairs.emplace_back("APP", "DStream");
  return join(pairs, driver.kind);
}

OdbcConnection from_url(std::string_view connection, const std::vector<Driver>& installed) {
  const Poco::URI url{std::string(connection)};
  if (url.getHost().empty()) {
    refuse("the host is missing: sqlserver://user:password@host:port?database=db");
  }
  if (!url.getPath().empty() && url.getPath() != "/") {
    refuse("nothing may follow the port but options; the database goes into ?database=db");
  }
  const UrlOptions options = read_options(url);
  const int port = url.getPort() == 0 ? kPortDefault : url.getPort();
  const auto [user, password] = credentials(connection);
  for (const std::string* part : {&user, &password}) {
    if (part->find('\0') != std::string::npos) {
      refuse("user and password cannot hold a NUL character.");
    }
  }

  OdbcConnection result;
  result.driver = choose_driver(options, installed);
  result.encrypted = options.encrypt != "no";
  result.read_only = options.application_intent == "ReadOnly";
  result.unverified = result.encrypted && result.driver.kind == DriverKind::kFreeTds &&
                      !options.trust_server_certificate;
  std::vector<std::pair<std::string, int>> servers = options.partners;
  servers.insert(servers.begin(), {url.getHost(), port});
  for (const auto& [host, server_port] : servers) {
    const std::string address = host + ':' + std::to_string(server_port);
    result.target += (result.target.empty() ? "" : " or ") + address;
    result.servers.push_back(
        {server_text(options, result.driver, host, server_port, {user, password}),
         address + ", database " + options.database});
  }
  result.target += ", database " + options.database;
  if (!password.empty()) {
    result.secrets = {password, quote_value(password, result.driver.kind)};
  }
  return result;
}

// Finds the values of an ODBC string that are secret, and its server for messages.
OdbcConnection pass_through(std::string_view connection) {
  OdbcConnection result;
  std::string_view rest = connection;
  while (!rest.empty()) {
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) {
      break;
    }
    const std::string name = Poco::toUpper(Poco::trim(std::string(rest.substr(0, equals))));
    rest.remove_prefix(equals + 1);
    std::string value;
    if (!rest.empty() && rest.front() == '{') {
      size_t end = 1;
      while (end < rest.size() && (rest[end] != '}' || rest.substr(end, 2) == "}}")) {
        end += rest[end] == '}' ? 2 : 1;
        value += rest[end - 1];
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
      rest.remove_prefix(std::min(rest.find(';'), rest.size()));
    } else {
      value = rest.substr(0, rest.find(';'));
      rest.remove_prefix(value.size());
    }
    rest.remove_prefix(rest.empty() ? 0 : 1);
    if (name == "PWD" || name == "PASSWORD") {
      result.secrets.insert(result.secrets.end(), {value, quote_braced(value)});
    } else if (name == "SERVER" || name == "SERVERNAME" || name == "DSN") {
      result.target = value;
    } else if (name == "APPLICATIONINTENT") {
      result.read_only = Poco::icompare(value, std::string("ReadOnly")) == 0;
    } else if (name == "DRIVER") {
      result.driver = {value, kind_of(value)};
    }
  }
  if (result.target.empty()) {
    result.target = "the server of the ODBC string";
  }
  result.servers = {{std::string(connection), result.target}};
  return result;
}

}  // namespace

std::string quote_value(std::string_view value, DriverKind kind) {
  if (kind == DriverKind::kFreeTds) {
    if (value.find(';') == std::string_view::npos && !value.starts_with('{')) {
      return std::string(value);
    }
    if (value.find("};") != std::string_view::npos || value.ends_with('}')) {
      refuse(
          "FreeTDS cannot be given a user, password or database with both \";\" and \"};\" or a "
          "final \"}\". Use Microsoft's driver (msodbcsql18).");
    }
    return '{' + std::string(value) + '}';
  }
  if (!value.empty() && value.find_first_of("[]{}(),;?*=!@ ") == std::string_view::npos) {
    return std::string(value);
  }
  return quote_braced(value);
}

OdbcConnection make_connection(std::string_view connection, const std::vector<Driver>& installed) {
  constexpr std::string_view kScheme = "sqlserver://";
  try {
    if (connection.starts_with(kScheme)) {
      return from_url(connection, installed);
    }
    if (connection.find('=') == std::string_view::npos) {
      refuse(
          "is neither a URL (sqlserver://user:password@host:port?database=db) nor an ODBC "
          "connection string.");
    }
    return pass_through(connection);
  } catch (const Poco::Exception&) {
    // Its text would quote the URL with the password (I11).
    refuse(
        "the URL cannot be read. Percent-encode special characters in user and password "
        "(@ is %40, : is %3A, / is %2F, ? is %3F, # is %23, % is %25).");
  }
}

std::vector<Driver> installed_drivers() {
  std::vector<Driver> drivers;
  std::array<char, 16384> names{};
  WORD used = 0;
  if (SQLGetInstalledDrivers(names.data(), static_cast<WORD>(names.size() - 2), &used)) {
    for (const char* name = names.data(); *name != '\0'; name += std::strlen(name) + 1) {
      drivers.push_back({name, kind_of(name)});
    }
  }
  const auto freetds = [](const Driver& driver) { return driver.kind == DriverKind::kFreeTds; };
  if (std::none_of(drivers.begin(), drivers.end(), freetds)) {
    for (const char* path :
         {"/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so",
          "/usr/lib/aarch64-linux-gnu/odbc/libtdsodbc.so", "/usr/lib64/libtdsodbc.so.0"}) {
      if (access(path, R_OK) == 0) {
        drivers.push_back({path, DriverKind::kFreeTds});
        break;
      }
    }
  }
  return drivers;
}

std::string scrub(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    for (size_t at = 0; !secret.empty() && (at = text.find(secret, at)) != std::string::npos;) {
      text.replace(at, secret.size(), "***");
      at += 3;
    }
  }
  return text;
}

}  // namespace dstream::sqlserver
