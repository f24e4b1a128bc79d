// A Handler for tests of the protocol room: statements are looked up in a table of functions, so
// that a test says word for word what goes back. Knows users, one database name list, prepared
// statements and transactions, and no SQL.
//
// Thread rule: fill the tables before the server starts; sessions then read them. [any-thread]
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"

namespace dstream::standin {

class ScriptedHandler final : public Handler {
 public:
  // Answers a statement, given the parameters that go with it (none for a batch).
  using Script = std::function<void(std::span<const Parameter>, ResponseWriter&)>;

  std::map<std::string, std::string> users = {{"sa", "Secret-1"}};
  std::vector<std::string> databases = {"master", "testdb"};
  // The statement's text -> its answer. Other statements get an error that quotes them.
  std::map<std::string, Script, std::less<>> statements;
  // Procedures called by name, lower case.
  std::map<std::string, Script, std::less<>> procedures;
  // Told of everything a session is asked besides statements: "begin 2", "commit", "reset", ...
  std::function<void(std::string_view)> on_event = [](std::string_view) {};

  // Takes bulk loads; empty refuses them as sessions do by default.
  std::function<void(BulkRows&, ResponseWriter&)> on_bulk_load;

  std::unique_ptr<Session> login(const LoginRequest& request, ServerMessage* refusal) override;
};

// A result of the given columns and rows, with its DONE.
void send_result(std::span<const ResultColumn> columns, std::span<const std::vector<SqlValue>> rows,
                 ResponseWriter& out);

}  // namespace dstream::standin
