// The parsed form of T-SQL. Built by parser.h, read by everything behind it; never changed after
// parsing, so that a cached or prepared batch may run in several sessions at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin::sql {

struct Expression;
struct Query;
struct Statement;
using ExpressionPtr = std::shared_ptr<const Expression>;
using QueryPtr = std::shared_ptr<const Query>;
using StatementPtr = std::shared_ptr<const Statement>;

// "server.database.schema.object", last part last; an empty part was left out ("db..t").
struct Name {
  std::vector<std::string> parts;

  bool empty() const { return parts.empty(); }
  const std::string& last() const { return parts.back(); }
  // The part `from_end` places before the last, or "".
  std::string before_last(size_t from_end) const {
    return parts.size() > from_end ? parts[parts.size() - 1 - from_end] : std::string();
  }
  std::string text() const;  // "db.cdc.x", without brackets
};

// A data type as written: validated and completed by make_type() when it is used.
struct TypeSpec {
  std::string schema;  // empty: not said
  std::string name;
  std::optional<int32_t> first, second;  // kMaxLength for (max)
  bool utf8 = false;                     // under a collation of UTF-8
};

enum class ExpressionKind : uint8_t {
  kLiteral,   // value, type
  kDefault,   // DEFAULT in VALUES and SET
  kColumn,    // name
  kStar,      // * or name.*
  kVariable,  // text: "@x" or "@@x"
  kNegate,
  kBitNot,
  kNot,
  kBinary,   // op: + - * / % & | ^
  kCompare,  // text: = <> < <= > >=
  kAnd,
  kOr,
  kIsNull,       // negated
  kBetween,      // operands: value, low, high
  kIn,           // operands: value, list...; or query
  kLike,         // operands: value, pattern[, escape]
  kExists,       // query
  kCase,         // operands: [value,] when, then, ..., [else]
  kCast,         // operands: value[, style]; cast_type; is_try
  kCall,         // name, operands
  kScalarQuery,  // query
  kQuantified,   // text: operator; operands: value; query; all
};

struct OrderItem {
  ExpressionPtr expression;
  bool descending = false;
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kLiteral;
  std::string text;
  char op = 0;
  Name name;
  SqlValue value;
  SqlType type;
  TypeSpec cast_type;
  std::vector<ExpressionPtr> operands;
  QueryPtr query;
  bool negated = false;    // NOT LIKE, NOT IN, IS NOT NULL, ...
  bool distinct = false;   // COUNT(DISTINCT x)
  bool star = false;       // COUNT(*)
  bool has_value = false;  // CASE x WHEN
  bool has_else = false;
  bool is_try = false;    // TRY_CAST, TRY_CONVERT
  bool is_parse = false;  // PARSE
  bool all = false;       // > ALL
  bool has_over = false;  // window function
  std::vector<ExpressionPtr> partition_by;
  std::vector<OrderItem> window_order;
};

enum class JoinKind : uint8_t { kInner, kLeft, kRight, kFull, kCross, kCrossApply, kOuterApply };

struct TableRef;
using TableRefPtr = std::shared_ptr<const TableRef>;

struct TableRef {
  enum class Kind : uint8_t { kNamed, kFunction, kDerived, kValues, kVariable, kJoin };
  Kind kind = Kind::kNamed;
  Name name;
  std::string alias;
  std::vector<std::string> column_aliases;
  std::vector<ExpressionPtr> arguments;          // kFunction
  QueryPtr query;                                // kDerived
  std::vector<std::vector<ExpressionPtr>> rows;  // kValues
  std::vector<std::string> hints;                // capitals
  JoinKind join = JoinKind::kInner;              // kJoin
  TableRefPtr left, right;
  ExpressionPtr on;
};

struct SelectItem {
  ExpressionPtr expression;
  std::string alias;
  std::string assign_to;  // SELECT @x = ...
};

struct SelectCore {
  bool distinct = false;
  ExpressionPtr top;
  bool top_percent = false;
  bool with_ties = false;
  std::vector<SelectItem> items;
  Name into;
  std::vector<TableRefPtr> from;
  ExpressionPtr where;
  std::vector<ExpressionPtr> group_by;
  ExpressionPtr having;
};

enum class SetOperation : uint8_t { kUnionAll, kUnion, kExcept, kIntersect };

// A SELECT with what may stand around it. Either a core, or an operation on two queries.
struct Query {
  struct CommonTable {
    std::string name;
    std::vector<std::string> columns;
    QueryPtr query;
  };
  std::vector<CommonTable> common_tables;
  std::optional<SelectCore> core;
  std::vector<std::vector<ExpressionPtr>> values;  // VALUES (...), ... as a query of its own
  SetOperation operation = SetOperation::kUnionAll;
  QueryPtr left, right;
  std::vector<OrderItem> order_by;
  ExpressionPtr offset, fetch;
  std::optional<int32_t> recursion_max;  // OPTION (MAXRECURSION n)
};

struct ColumnSpec {
  std::string name;
  TypeSpec type;
  std::optional<bool> nullable;
  bool identity = false;
  int64_t identity_seed = 1, identity_increment = 1;
  ExpressionPtr default_value;
  std::string default_text, default_name;
  ExpressionPtr computed;
  std::string computed_text;
  bool persisted = false;
  bool row_guid = false;
};

struct KeySpec {
  std::string name;
  bool primary = false;
  bool unique = true;
  bool is_constraint = true;
  std::optional<bool> clustered;
  struct Part {
    std::string column;
    bool descending = false;
  };
  std::vector<Part> columns;
};

// What becomes of rows whose parent goes or gets another key. Numbered as in sys.foreign_keys.
enum class ReferentialAction : uint8_t { kNoAction, kCascade, kSetNull, kSetDefault };

struct ForeignKeySpec {
  std::string name;
  std::vector<std::string> columns;
  Name referenced;
  std::vector<std::string> referenced_columns;
  ReferentialAction on_delete = ReferentialAction::kNoAction;
  ReferentialAction on_update = ReferentialAction::kNoAction;
};

struct CheckSpec {
  std::string name;
  ExpressionPtr condition;
  std::string text;
};

struct TableSpec {
  std::vector<ColumnSpec> columns;
  std::vector<KeySpec> keys;
  std::vector<ForeignKeySpec> foreign_keys;
  std::vector<CheckSpec> checks;
};

enum class StatementKind : uint8_t {
  kQuery,
  kInsert,
  kInsertBulk,
  kUpdate,
  kDelete,
  kMerge,
  kTruncate,
  kCreateTable,
  kAlterTable,
  kDropTable,
  kCreateIndex,
  kDropIndex,
  kCreateSchema,
  kDropSchema,
  kCreateDatabase,
  kCreateType,
  kDropType,
  kDeclare,
  kSetVariable,
  kSetOption,
  kUse,
  kExecute,
  kExecuteText,
  kPrint,
  kRaiserror,
  kThrow,
  kIf,
  kWhile,
  kBlock,
  kTryCatch,
  kBreak,
  kContinue,
  kReturn,
  kWaitFor,
  kBeginTransaction,
  kCommit,
  kRollback,
  kSave,
  kNoOperation,
};

struct Argument {
  std::string name;     // with '@'; empty by position
  ExpressionPtr value;  // nullptr: DEFAULT
  bool output = false;
};

struct Assignment {
  std::string column;    // SET column = value
  std::string variable;  // SET @v = value, also beside a column
  char op = 0;           // compound assignment: + - * / ...
  ExpressionPtr value;
};

struct DeclaredVariable {
  std::string name;
  TypeSpec type;
  ExpressionPtr value;
  std::shared_ptr<const TableSpec> table;
};

// WHEN ... THEN ... of MERGE.
struct MergeClause {
  enum class When : uint8_t { kMatched, kNotMatched, kNotMatchedBySource };
  enum class Action : uint8_t { kUpdate, kDelete, kInsert };
  When when = When::kMatched;
  ExpressionPtr condition;  // AND ...
  Action action = Action::kUpdate;
  std::vector<Assignment> assignments;
  std::vector<std::string> columns;  // of INSERT
  std::vector<ExpressionPtr> values;
  bool default_values = false;
};

enum class AlterAction : uint8_t {
  kAddColumns,
  kDropColumns,
  kAlterColumn,
  kAddConstraint,
  kDropConstraint,
  kIgnored,
};

struct Statement {
  StatementKind kind = StatementKind::kNoOperation;
  size_t start = 0, end = 0;  // bytes in the batch
  int32_t line = 1;

  QueryPtr query;                  // kQuery, kInsert (source)
  Name name;                       // table, procedure, database, savepoint, schema
  std::vector<std::string> names;  // INSERT columns, DROP columns or constraints
  std::vector<Name> targets;       // DROP TABLE a, b
  bool if_exists = false;
  bool default_values = false;
  StatementPtr execute;            // INSERT ... EXEC
  std::vector<SelectItem> output;  // OUTPUT inserted.x
  struct OutputTarget {            // OUTPUT ... INTO @table or table (columns)
    Name table;
    std::vector<std::string> columns;
  };
  OutputTarget output_into;
  std::vector<SelectItem> output_rows;  // a second OUTPUT, behind one with INTO
  std::vector<Assignment> assignments;  // UPDATE SET, SET @v
  std::vector<TableRefPtr> from;
  ExpressionPtr where;
  ExpressionPtr top;
  bool top_percent = false;
  std::vector<std::string> hints;                 // on the target of INSERT, UPDATE, DELETE, MERGE
  std::vector<Query::CommonTable> common_tables;  // WITH ... UPDATE, DELETE, MERGE
  std::vector<MergeClause> merge;                 // its sources are joined in `from`

  std::shared_ptr<const TableSpec> table;  // CREATE TABLE, ALTER TABLE ADD
  AlterAction alter = AlterAction::kAddColumns;
  bool without_check = false;  // ALTER TABLE ... WITH NOCHECK
  ColumnSpec column;           // ALTER COLUMN, what CREATE TYPE is from
  KeySpec index;               // CREATE INDEX

  std::vector<DeclaredVariable> variables;
  std::vector<std::string> option_names;   // SET NOCOUNT ON, INSERT BULK ... WITH: capitals
  std::string option_value;                // capitals
  std::vector<Argument> arguments;         // EXEC
  std::string result_variable;             // EXEC @rc = p
  std::vector<ExpressionPtr> expressions;  // PRINT, RAISERROR, THROW, RETURN, WAITFOR, EXEC('..')
  std::vector<std::string> options;        // RAISERROR ... WITH NOWAIT
  ExpressionPtr condition;                 // IF, WHILE
  std::vector<StatementPtr> body;          // block, TRY, IF (then), WHILE
  std::vector<StatementPtr> other;         // CATCH, ELSE
};

struct Batch {
  std::string text;
  std::vector<StatementPtr> statements;

  std::string_view text_of(const Statement& statement) const {
    return std::string_view(text).substr(statement.start, statement.end - statement.start);
  }
};

}  // namespace dstream::standin::sql
