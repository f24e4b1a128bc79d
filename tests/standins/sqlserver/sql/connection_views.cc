// sys.dm_exec_connections: how each client came in, for clients that show or check it.
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

SqlValue number(int64_t value) { return SqlValue::of_number(value); }
SqlValue text(std::string_view value) { return SqlValue::of_text(std::string(value)); }

}  // namespace

void add_connection_views(Engine* engine) {
  SystemView view;
  view.columns = {view_column("session_id", int_type()),
                  view_column("most_recent_session_id", int_type()),
                  view_column("net_transport", nvarchar_type(40), false),
                  view_column("protocol_type", nvarchar_type(40)),
                  view_column("protocol_version", int_type()),
                  view_column("encrypt_option", nvarchar_type(40), false),
                  view_column("auth_scheme", nvarchar_type(40), false),
                  view_column("net_packet_size", int_type()),
                  view_column("client_net_address", nvarchar_type(48)),
                  view_column("client_tcp_port", int_type())};
  view.rows = [](SqlSession& session, Database&) {
    std::vector<std::vector<SqlValue>> rows;
    for (const Engine::SessionInfo& other : session.engine().sessions()) {
      const LoginRequest& login = other.login;
      const size_t colon = login.client_address.rfind(':');
      const bool has_port = colon != std::string::npos;
      rows.push_back(
          {number(other.id), number(other.id), text("TCP"), text("TSQL"), number(login.tds_version),
           text(login.encrypted ? "TRUE" : "FALSE"), text("SQL"), number(login.packet_size),
           text(std::string_view(login.client_address).substr(0, colon)),
           has_port ? number(std::stoll(login.client_address.substr(colon + 1))) : SqlValue()});
    }
    return rows;
  };
  view.needed = engine->options().is_azure ? Permission::kViewDatabaseState
                                           : Permission::kViewServerSecurityState;
  engine->add_view("sys.dm_exec_connections", view);
}

}  // namespace dstream::standin::sql
