// Alias types: CREATE TYPE dbo.PhoneNumber FROM nvarchar(20) NOT NULL, and DROP TYPE.
//
// A column, variable or parameter of an alias type has the type that it stands for; what is kept
// beside it is the id that sys.types knows it by.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

class Database;
class SqlSession;

inline constexpr int32_t kSysnameTypeId = 256;

struct UserType {
  int32_t id = 0;  // sys.types.user_type_id, from 257
  std::string schema, name;
  SqlType type;  // with whether its columns can be NULL where they do not say so
};

// Those of one database. [any-thread]
class UserTypes {
 public:
  std::optional<UserType> find(std::string_view schema, std::string_view name) const;
  std::optional<UserType> find(int32_t id) const;
  std::vector<UserType> all() const;  // by id
  // Gives `type` the next id.
  UserType add(UserType type);
  void put_back(const UserType& type);
  void remove(const UserType& type);

 private:
  using Name = std::pair<std::string, std::string>;  // folded

  mutable std::shared_mutex mutex_;  // guards all below
  std::map<Name, UserType> types_;
  int32_t last_id_ = kSysnameTypeId;
};

struct DeclaredType {
  SqlType type;
  int32_t user_type_id = 0;  // 0: a type of the system, by its own name
};

// The type of a column, variable or parameter: of the system, or an alias of `database`, which may
// stand without its schema if that is dbo. Throws 2715 for neither, 2716 for an alias with a
// length.
DeclaredType declared_type(const Database& database, const TypeSpec& spec);

// What sys.types calls the type: an alias by its own name. nullopt for an unknown id.
std::optional<std::string> type_name_by_id(const Database& database, int64_t user_type_id);

// "PhoneNumber", "sysname"; "" for id 0.
std::string alias_name(const Database& database, int32_t user_type_id);

// Throws 219, 222, 2715 and what make_type() throws.
void create_type(SqlSession* session, const Statement& statement);
// Throws 218, and 3732 while a column is of the type.
void drop_type(SqlSession* session, const Statement& statement);

}  // namespace dstream::standin::sql
