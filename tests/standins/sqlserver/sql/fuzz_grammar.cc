#include "tests/standins/sqlserver/sql/fuzz_grammar.h"

#include <algorithm>

namespace dstream::standin::sql {
namespace {

constexpr int kDepthMax = 4;

}  // namespace

// One of the words between semicolons.
std::string RandomSql::pick(std::string_view words) {
  size_t choice = below(static_cast<size_t>(std::count(words.begin(), words.end(), ';')) + 1);
  while (choice > 0) {
    words.remove_prefix(words.find(';') + 1);
    --choice;
  }
  return std::string(words.substr(0, words.find(';')));
}

const char* RandomSql::preparation() {
  return "CREATE TABLE t (id int PRIMARY KEY, a int NULL, b varchar(10) NULL, d decimal(10,2) "
         "NULL, "
         "n nvarchar(max) NULL, x varbinary(8) NULL, w datetime2(3) NULL, f float NULL);"
         "CREATE TABLE u (id int IDENTITY, t int REFERENCES t(id) ON DELETE SET NULL ON UPDATE "
         "CASCADE, "
         "m money DEFAULT 1, g uniqueidentifier NULL, v rowversion, s AS m * 2, CHECK (m > 0));"
         "INSERT t VALUES (1, 1, 'a', 1.5, N'x', 0x01, '20200101', 1), (2, NULL, 'b', 2, NULL, "
         "NULL, "
         "NULL, NULL), (3, 3, NULL, -1, N'y', 0x0203, '19990101', 1e10);"
         "INSERT u (t, m) VALUES (1, 5), (3, 7)";
}

std::string RandomSql::name() {
  return pick("id;a;b;d;n;x;w;f;t;m;g;v;s;t.id;u.m;z.a;[a];\"b\";nope;dbo.t.a");
}

std::string RandomSql::type() {
  return pick(
      "int;bigint;tinyint;bit;decimal(10,2);decimal(38,10);numeric;money;smallmoney;"
      "float;real;date;time(3);datetime;datetime2;smalldatetime;datetimeoffset(0);"
      "char(3);varchar(5);varchar(max);nchar(2);nvarchar(7);nvarchar(max);binary(4);"
      "varbinary(3);varbinary(max);uniqueidentifier;sql_variant;xml;rowversion;text;"
      "image;sysname;hierarchyid;geography;nosuchtype;decimal(0,9);varchar(9000)");
}

std::string RandomSql::literal() {
  return pick(
      "0;1;-1;2147483647;-2147483648;2147483648;9223372036854775807;"
      "-9223372036854775808;99999999999999999999999999999999999999;"
      "0.00000000000000000000000000000000000001;1.5;1e308;-1e-308;$1.5;"
      "$922337203685477.5807;NULL;NULL;'';'a';N'\xC3\xA9\xF0\x9F\x98\x80';'%_[]';"
      "'2020-02-29';'9999-12-31 23:59:59.9999999';'0001-01-01';'24:00';'12:30 PM';"
      "'1e5';'-.5';0x;0x00;0xFFFFFFFFFFFFFFFFFF;'6F9619FF-8B86-D011-B42D-00C04FC964FF';"
      "@v;@@ROWCOUNT;@@ERROR;@none;GETDATE();REPLICATE('x', 8000);'+14:00';'u''v'");
}

std::string RandomSql::call(int depth) {
  static constexpr char kFunctions[] =
      "ABS;CEILING;FLOOR;SIGN;SQRT;SQUARE;EXP;LOG;LOG10;LEN;DATALENGTH;UPPER;LOWER;"
      "LTRIM;RTRIM;TRIM;REVERSE;ASCII;UNICODE;CHAR;NCHAR;SPACE;ISNUMERIC;ISDATE;YEAR;"
      "MONTH;DAY;EOMONTH;DEGREES;RADIANS;TAN;COT;ACOS;BIT_COUNT;SOUNDEX;QUOTENAME;"
      "CHECKSUM;OBJECT_ID;OBJECT_NAME;DB_NAME;COUNT;SUM;AVG;MIN;MAX;STDEV;VARP;"
      "STRING_AGG;CHECKSUM_AGG;TYPE_NAME;SERVERPROPERTY;PI;NEWID;nofunction;dbo.f";
  static constexpr char kTwo[] =
      "ROUND;POWER;LEFT;RIGHT;CHARINDEX;PATINDEX;REPLICATE;ISNULL;NULLIF;COALESCE;"
      "CONCAT;ATN2;LOG;GREATEST;LEAST;LEFT_SHIFT;RIGHT_SHIFT;GET_BIT;SET_BIT;"
      "DIFFERENCE;PARSENAME;SWITCHOFFSET;TODATETIMEOFFSET;EOMONTH;STRING_ESCAPE;"
      "HASHBYTES;QUOTENAME;CHOOSE;FORMATMESSAGE;SQL_VARIANT_PROPERTY;STR;TRIM";
  static constexpr char kThree[] =
      "SUBSTRING;REPLACE;ROUND;CONCAT_WS;TRANSLATE;CHARINDEX;CHOOSE;DATEFROMPARTS;STR;"
      "IIF;SET_BIT";
  static constexpr char kParts[] =
      "year;quarter;month;dayofyear;day;week;weekday;hour;minute;second;millisecond;"
      "microsecond;nanosecond;tzoffset;iso_week;xx";
  const auto v = [&] { return value(depth + 1); };
  switch (below(12)) {
    case 0:
    case 1:
    case 2:
      return pick(kFunctions) + "(" + v() + ")";
    case 3:
    case 4:
      return pick(kTwo) + "(" + v() + ", " + v() + ")";
    case 5:
      return pick(kThree) + "(" + v() + ", " + v() + ", " + v() + ")";
    case 6:
      return "STUFF(" + v() + ", " + v() + ", " + v() + ", " + v() + ")";
    case 7:
      return "DATEADD(" + pick(kParts) + ", " + v() + ", " + v() + ")";
    case 8:
      return one_of({"DATEDIFF(", "DATEDIFF_BIG("}) + pick(kParts) + ", " + v() + ", " + v() + ")";
    case 9:
      return one_of({"DATEPART(", "DATENAME(", "DATETRUNC("}) + pick(kParts) + ", " + v() + ")";
    case 10:
      return one_of({"ROW_NUMBER()", "RANK()", "NTILE(2)", "LAG(a)", "LEAD(a, 2, 0)", "SUM(a)",
                     "COUNT(*)", "FIRST_VALUE(b)"}) +
             " OVER (" + (below(2) == 0 ? "PARTITION BY " + v() + " " : "") +
             (below(3) != 0 ? "ORDER BY " + v() : "") + ")";
    default:
      return "DATETIME2FROMPARTS(" + v() + ", 1, 2, " + v() + ", 4, 5, " + v() + ", 3)";
  }
}

std::string RandomSql::value(int depth) {
  if (depth >= kDepthMax) {
    return below(2) == 0 ? literal() : name();
  }
  const auto v = [&] { return value(depth + 1); };
  switch (below(14)) {
    case 0:
    case 1:
    case 2:
      return literal();
    case 3:
    case 4:
      return name();
    case 5:
    case 6:
      return "(" + v() + one_of({" + ", " - ", " * ", " / ", " % ", " & ", " | ", " ^ "}) + v() +
             ")";
    case 7:
      return one_of({"-", "~", "+"}) + v();
    case 8:
      return one_of({"CAST(", "TRY_CAST("}) + v() + " AS " + type() + ")";
    case 9:
      return one_of({"CONVERT(", "TRY_CONVERT("}) + type() + ", " + v() + ", " +
             pick("0;1;2;3;12;23;101;103;121;126;127;999") + ")";
    case 10:
      return "CASE WHEN " + condition(depth + 1) + " THEN " + v() +
             (below(2) == 0 ? " ELSE " + v() : "") + " END";
    case 11:
      return "(" + select(depth + 1) + ")";
    default:
      return call(depth);
  }
}

std::string RandomSql::condition(int depth) {
  if (depth >= kDepthMax) {
    return name() + " = " + literal();
  }
  const auto v = [&] { return value(depth + 1); };
  switch (below(10)) {
    case 0:
      return "(" + condition(depth + 1) + one_of({" AND ", " OR "}) + condition(depth + 1) + ")";
    case 1:
      return "NOT " + condition(depth + 1);
    case 2:
      return v() + one_of({" IS NULL", " IS NOT NULL"});
    case 3:
      return v() + one_of({" IN (", " NOT IN ("}) + v() + ", " + v() + ")";
    case 4:
      return v() + " IN (" + select(depth + 1) + ")";
    case 5:
      return v() + one_of({" BETWEEN ", " NOT BETWEEN "}) + v() + " AND " + v();
    case 6:
      return v() + one_of({" LIKE ", " NOT LIKE "}) + v() + (below(4) == 0 ? " ESCAPE '!'" : "");
    case 7:
      return one_of({"EXISTS (", "NOT EXISTS ("}) + select(depth + 1) + ")";
    case 8:
      return v() + one_of({" > ALL (", " = ANY ("}) + select(depth + 1) + ")";
    default:
      return v() + one_of({" = ", " <> ", " < ", " >= ", " !> "}) + v();
  }
}

std::string RandomSql::table(int depth) {
  switch (depth >= kDepthMax ? below(3) : below(8)) {
    case 0:
    case 1:
      return "t";
    case 2:
      return "u";
    case 3:
      return "(" + select(depth + 1) + ") AS z";
    case 4:
      return "(VALUES (" + value(depth + 1) + "), (" + value(depth + 1) + ")) AS z(a)";
    case 5:
      return "STRING_SPLIT(" + value(depth + 1) + ", ',') AS z";
    case 6:
      return one_of({"sys.tables", "sys.columns", "INFORMATION_SCHEMA.COLUMNS", "sys.databases",
                     "sys.objects", "sys.types", "sys.foreign_keys", "sys.check_constraints",
                     "nowhere", "@tv"});
    default:
      return "t AS z WITH (NOLOCK)";
  }
}

std::string RandomSql::from(int depth) {
  std::string text = " FROM " + table(depth);
  for (size_t i = below(3); i > 0; --i) {
    switch (below(4)) {
      case 0:
        text += ", " + table(depth);
        break;
      case 1:
        text += one_of({" CROSS JOIN ", " CROSS APPLY ", " OUTER APPLY "}) + table(depth);
        break;
      default:
        text += one_of({" JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN "}) + table(depth) +
                " ON " + condition(depth + 1);
        break;
    }
  }
  return text;
}

std::string RandomSql::select(int depth) {
  std::string text = "SELECT ";
  text += one_of({"", "", "", "DISTINCT ", "TOP 1 ", "TOP (2) PERCENT ", "TOP (1) WITH TIES "});
  text += below(6) == 0 ? "*" : value(depth + 1) + (below(3) == 0 ? " AS k" : "");
  if (depth == 0 && below(2) == 0) {
    text += ", " + value(depth + 1);
  }
  if (below(4) != 0) {
    text += from(depth);
    text += below(2) == 0 ? " WHERE " + condition(depth + 1) : "";
    if (below(4) == 0) {
      text += " GROUP BY " + value(depth + 1);
      text += below(2) == 0 ? " HAVING " + condition(depth + 1) : "";
    }
  }
  if (below(6) == 0 && depth < kDepthMax) {
    text += one_of({" UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT "}) + select(depth + 1);
  }
  if (below(4) == 0) {
    text += " ORDER BY " + value(depth + 1) + one_of({"", " DESC"});
    text += below(4) == 0 ? " OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY" : "";
  }
  return text;
}

std::string RandomSql::change(int depth) {
  const auto v = [&] { return value(depth + 1); };
  const std::string output =
      below(4) == 0 ? one_of({" OUTPUT inserted.*", " OUTPUT deleted.a"}) : "";
  switch (below(8)) {
    case 0:
      return "INSERT t (id, a, b, d)" + output + " VALUES (" + v() + ", " + v() + ", " + v() +
             ", " + v() + ")";
    case 1:
      return "INSERT INTO u (t, m)" + output + " " + select(depth + 1);
    case 2:
      return "UPDATE t SET " + name() + " = " + v() + output + " WHERE " + condition(depth + 1);
    case 3:
      return "UPDATE TOP (1) z SET a = " + v() + from(depth + 1);
    case 4:
      return "DELETE FROM u" + output + " WHERE " + condition(depth + 1);
    case 5:
      return "MERGE t USING (" + select(depth + 1) + ") AS z ON " + condition(depth + 1) +
             " WHEN MATCHED THEN UPDATE SET a = " + v() +
             " WHEN NOT MATCHED THEN INSERT (id) VALUES (" + v() + ")" +
             one_of({"", " WHEN NOT MATCHED BY SOURCE THEN DELETE"}) +
             one_of({"", " OUTPUT $action, inserted.*, deleted.a"}) + ";";
    case 6:
      return "SELECT " + v() + " AS q INTO #k" + from(depth + 1);
    default:
      return one_of({"TRUNCATE TABLE u", "DELETE t", "INSERT t DEFAULT VALUES",
                     "INSERT @tv VALUES (1)", "SET IDENTITY_INSERT u ON"});
  }
}

std::string RandomSql::definition() {
  switch (below(6)) {
    case 0:
      return "CREATE TABLE r (a " + type() + ", b " + type() + " DEFAULT " + value(2) + ", c AS " +
             value(2) + ", CHECK (" + condition(2) + "))";
    case 1:
      return "ALTER TABLE t ADD k" + std::to_string(below(9)) + " " + type() + " NULL DEFAULT " +
             value(3);
    case 2:
      return "ALTER TABLE t ALTER COLUMN " + name() + " " + type();
    case 3:
      return "ALTER TABLE u ADD CONSTRAINT c" + std::to_string(below(9)) + " CHECK (" +
             condition(3) + ")";
    case 4:
      return "CREATE UNIQUE INDEX i" + std::to_string(below(9)) + " ON t (" + name() + ")";
    default:
      return one_of({"DROP TABLE r", "ALTER TABLE t DROP COLUMN f", "DROP INDEX i1 ON t",
                     "DROP TABLE IF EXISTS #k", "CREATE SCHEMA q", "DROP SCHEMA q"});
  }
}

std::string RandomSql::control(int depth) {
  switch (below(10)) {
    case 0:
      return "IF " + condition(depth + 1) + " " + statement(depth + 1) + " ELSE " +
             statement(depth + 1);
    case 1:
      return "BEGIN TRY " + statement(depth + 1) +
             "; END TRY BEGIN CATCH SELECT ERROR_MESSAGE(); " + statement(depth + 1) +
             "; END CATCH";
    case 2:
      // A loop that ends: the fuzz looks for hangs of the engine, not of its own programs.
      return "DECLARE @i int = 0; WHILE @i < 3 BEGIN SET @i += 1; " + statement(depth + 1) +
             "; END";
    case 3:
      return "DECLARE @v " + type() + " = " + value(depth + 1);
    case 4:
      return "EXEC sp_executesql N'SELECT @p', N'@p " + type() + "', @p = " + literal();
    case 5:
      return pick(
          "BEGIN TRAN;COMMIT;ROLLBACK;SAVE TRAN s1;ROLLBACK TRAN s1;SET XACT_ABORT ON;"
          "SET XACT_ABORT OFF;DECLARE @tv table (a int);"
          "SET TRANSACTION ISOLATION LEVEL SNAPSHOT;SET DATEFIRST 3;SET LOCK_TIMEOUT 0;"
          "SET ROWCOUNT 2;SET ROWCOUNT 0");
    case 6:
      return "RAISERROR(" + value(depth + 1) + ", 16, 1, " + literal() + ")";
    case 7:
      return "DECLARE @c int; EXEC sp_cursoropen @c OUTPUT, N'SELECT id, a FROM t ORDER BY id', " +
             pick("1;2;4;8;4112") + ", " + pick("1;4;8") + ", 2; EXEC sp_cursorfetch @c, " +
             pick("1;2;8;16") + ", 2, 2; EXEC sp_cursor @c, " + pick("1;2;4;8;33;65") + ", " +
             pick("0;1;2;3") + ", N'', @" + pick("a;id;b") + " = " + literal() +
             "; EXEC sp_cursorfetch @c, 128, 0, 2; EXEC sp_cursorclose @c";
    case 8:
      return pick(
          "EXEC sp_columns 't';EXEC sp_tables;EXEC sp_pkeys 't';THROW;"
          "EXEC sp_describe_first_result_set N'SELECT * FROM t';EXEC nowhere 1, 2;"
          "PRINT 'x';RETURN 1;EXEC sp_statistics 'u';EXEC sp_fkeys 't'");
    default:
      return "WITH z AS (" + select(depth + 1) + ") " +
             one_of({"SELECT * FROM z", "INSERT t (id, a) SELECT * FROM z",
                     "DELETE t FROM t JOIN z ON z.a = t.id", "UPDATE t SET a = 1 FROM z",
                     "DELETE FROM z", "MERGE t USING z ON t.id = z.a WHEN MATCHED THEN DELETE;"});
  }
}

std::string RandomSql::statement(int depth) {
  if (depth >= kDepthMax) {
    return "SELECT 1";
  }
  switch (below(8)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return select(depth);
    case 4:
    case 5:
      return change(depth);
    case 6:
      return definition();
    default:
      return control(depth);
  }
}

std::string RandomSql::batch() {
  std::string text;
  for (size_t i = below(4) + 1; i > 0; --i) {
    text += statement(0) + ";\n";
  }
  return text;
}

std::string RandomSql::damaged(std::string text) {
  for (size_t i = below(4) + 1; i > 0 && !text.empty(); --i) {
    const size_t at = below(text.size());
    const size_t size = std::min(below(16), text.size() - at);
    switch (below(6)) {
      case 0:
        text[at] = static_cast<char>(random_());
        break;
      case 1:
        text.erase(at, size);
        break;
      case 2:
        text.insert(at, text.substr(at, size));
        break;
      case 3:
        text.insert(below(text.size()), text.substr(at, size));
        break;
      case 4:
        text.insert(at,
                    pick("(;);';[;\";/*;*/;--;;;,;.;@;#;$;0x;N';CASE ;SELECT ; FROM ;\xFF;\xC3"));
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

}  // namespace dstream::standin::sql
