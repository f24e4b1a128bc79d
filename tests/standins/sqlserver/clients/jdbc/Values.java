import com.microsoft.sqlserver.jdbc.SQLServerPreparedStatement;
import java.math.BigDecimal;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLXML;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;

/** Texts of types.tsv as JDBC's values, and back. */
final class Values {
  /** A line of types.tsv. */
  record Type(String key, String declaration, String kind, String[] texts) {
    /** The digits in the brackets: 7 of datetime2(7). */
    int scale() {
      String digits = declaration.replaceAll(".*\\(|\\).*", "");
      return digits.matches("\\d+") ? Integer.parseInt(digits) : 0;
    }
  }

  private static final DateTimeFormatter AT = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.nnnnnnnnn");
  private static final HexFormat HEX = HexFormat.of().withUpperCase();

  private static LocalDateTime at(String text) {
    return LocalDateTime.parse(text.replace(' ', 'T'));
  }

  private static OffsetDateTime offsetAt(String text) {
    int blank = text.lastIndexOf(' ');
    return OffsetDateTime.of(at(text.substring(0, blank)), ZoneOffset.of(text.substring(blank + 1)));
  }

  private static int sqlType(Type type) {
    switch (type.kind()) {
      case "integer": return type.key().equals("bit") ? Types.BIT : Types.BIGINT;
      case "single": return Types.REAL;
      case "double": return Types.DOUBLE;
      case "decimal": return Types.DECIMAL;
      case "bytes": return Types.VARBINARY;
      case "guid": return microsoft.sql.Types.GUID;
      case "time":
        if (type.key().equals("date")) return Types.DATE;
        if (type.key().startsWith("datetimeoffset")) return microsoft.sql.Types.DATETIMEOFFSET;
        return type.key().startsWith("time") ? Types.TIME : Types.TIMESTAMP;
      default: return type.key().equals("xml") ? Types.SQLXML : Types.NVARCHAR;
    }
  }

  private static void setTime(SQLServerPreparedStatement statement, int place, Type type, String text)
      throws SQLException {
    if (type.key().equals("date")) {
      statement.setObject(place, LocalDate.parse(text));
    } else if (type.key().startsWith("time")) {
      statement.setObject(place, LocalTime.parse(text), Types.TIME, type.scale());
    } else if (type.key().startsWith("datetimeoffset")) {
      statement.setObject(place, offsetAt(text), Types.TIMESTAMP_WITH_TIMEZONE, type.scale());
    } else if (type.key().equals("datetime")) {
      statement.setDateTime(place, Timestamp.valueOf(at(text)));
    } else if (type.key().equals("smalldatetime")) {
      statement.setSmallDateTime(place, Timestamp.valueOf(at(text)));
    } else {
      statement.setObject(place, at(text), Types.TIMESTAMP, type.scale());
    }
  }

  private static void setInteger(PreparedStatement statement, int place, Type type, String text)
      throws SQLException {
    switch (type.key()) {
      case "bit" -> statement.setBoolean(place, text.equals("1"));
      case "tinyint", "smallint" -> statement.setShort(place, Short.parseShort(text));
      case "int" -> statement.setInt(place, Integer.parseInt(text));
      default -> statement.setLong(place, Long.parseLong(text));
    }
  }

  private static void setText(PreparedStatement statement, int place, Type type, String text)
      throws SQLException {
    if (type.key().equals("xml")) {
      SQLXML xml = statement.getConnection().createSQLXML();
      xml.setString(text);
      statement.setSQLXML(place, xml);
    } else if (type.key().equals("text")) {
      statement.setObject(place, text, Types.LONGVARCHAR);
    } else if (type.key().equals("ntext")) {
      statement.setObject(place, text, Types.LONGNVARCHAR);
    } else if (type.declaration().startsWith("n")) {
      statement.setNString(place, text);
    } else {
      statement.setString(place, text);
    }
  }

  /** Sets a parameter; a text of null is NULL. */
  static void set(PreparedStatement plain, int place, Type type, String text) throws SQLException {
    SQLServerPreparedStatement statement = plain.unwrap(SQLServerPreparedStatement.class);
    if (text == null) {
      statement.setNull(place, sqlType(type));
      return;
    }
    switch (type.kind()) {
      case "integer" -> setInteger(statement, place, type, text);
      case "single" -> statement.setFloat(place, Float.parseFloat(text));
      case "double" -> statement.setDouble(place, Double.parseDouble(text));
      case "decimal" -> {
        BigDecimal number = new BigDecimal(text);
        if (type.key().equals("money")) {
          statement.setMoney(place, number);
        } else if (type.key().equals("smallmoney")) {
          statement.setSmallMoney(place, number);
        } else {
          statement.setBigDecimal(place, number);
        }
      }
      case "bytes" -> {
        if (type.key().equals("image")) {
          statement.setObject(place, HEX.parseHex(text), Types.LONGVARBINARY);
        } else {
          statement.setBytes(place, HEX.parseHex(text));
        }
      }
      case "guid" -> statement.setUniqueIdentifier(place, text);
      case "time" -> setTime(statement, place, type, text);
      default -> setText(statement, place, type, text);
    }
  }

  private static String timeText(ResultSet rows, int column, Type type) throws SQLException {
    if (type.key().equals("date")) {
      return String.valueOf(rows.getObject(column, LocalDate.class));
    }
    if (type.key().startsWith("datetimeoffset")) {
      OffsetDateTime value = rows.getObject(column, OffsetDateTime.class);
      String offset = value.getOffset().getId();
      return AT.format(value) + " " + (offset.equals("Z") ? "+00:00" : offset);
    }
    if (type.key().startsWith("time")) {
      return DateTimeFormatter.ofPattern("HH:mm:ss.nnnnnnnnn")
          .format(rows.getObject(column, LocalTime.class));
    }
    return AT.format(rows.getObject(column, LocalDateTime.class));
  }

  /** The value of a column as text. */
  static String text(ResultSet rows, int column, Type type) throws SQLException {
    if (rows.getObject(column) == null) {
      return "NULL";
    }
    return switch (type.kind()) {
      case "integer" -> String.valueOf(rows.getLong(column));
      case "single" -> String.valueOf(rows.getFloat(column));
      case "double" -> String.valueOf(rows.getDouble(column));
      case "decimal" -> rows.getBigDecimal(column).toPlainString();
      case "bytes" -> HEX.formatHex(rows.getBytes(column));
      case "time" -> timeText(rows, column, type);
      default -> type.key().equals("xml") ? rows.getSQLXML(column).getString() : rows.getString(column);
    };
  }

  private Values() {}
}
