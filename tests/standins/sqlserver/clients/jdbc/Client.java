import com.microsoft.sqlserver.jdbc.SQLServerBulkCopy;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The cases of the client table through mssql-jdbc: one JSON line a case.
 * usage: Client PORT CERTIFICATE TYPES_FILE [CASE...]
 */
public final class Client {
  private interface Case {
    void run(Map<String, String> values) throws Exception;
  }

  private static final String[] ROWS = {"high", "low", "empty", "null"};
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private static String port;
  private static String certificate;
  private static final List<Values.Type> types = new ArrayList<>();

  private static Connection connect(String more) throws SQLException {
    return DriverManager.getConnection("jdbc:sqlserver://localhost:" + port + ";databaseName=clients;user=sa;"
        + "sendTimeAsDatetime=false;" + more);
  }

  // Even where nothing but the login is encrypted, the driver looks at the certificate.
  private static Connection connect() throws SQLException {
    return connect("password=Secret-1;encrypt=false;trustServerCertificate=true");
  }

  private static String first(Statement statement, String sql) throws SQLException {
    try (ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    }
  }

  private static String list(ResultSet rows, String... columns) throws SQLException {
    StringBuilder joined = new StringBuilder();
    while (rows.next()) {
      joined.append(joined.length() > 0 ? "," : "");
      for (int i = 0; i < columns.length; ++i) {
        joined.append(i > 0 ? " " : "").append(rows.getString(columns[i]));
      }
    }
    rows.close();
    return joined.toString();
  }

  private static String list(Statement statement, String sql) throws SQLException {
    ResultSet rows = statement.executeQuery(sql);
    return list(rows, rows.getMetaData().getColumnName(1));
  }

  private static Case connecting(String more) {
    return values -> {
      try (Connection connection = connect("password=Secret-1;" + more);
          Statement statement = connection.createStatement()) {
        values.put("database", first(statement, "SELECT DB_NAME()"));
        values.put("encrypt_option", first(statement,
            "SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID"));
        values.put("long", String.valueOf(
            first(statement, "SELECT c_varchar_max FROM dbo.typed_values WHERE id = 1").length()));
      }
    };
  }

  private static void wrongPassword(Map<String, String> values) {
    try {
      connect("password=not-Secret-1;encrypt=false;trustServerCertificate=true").close();
    } catch (SQLException error) {
      values.put("number", String.valueOf(error.getErrorCode()));
    }
  }

  private static void readTable(Connection connection, String table, Map<String, String> values)
      throws SQLException {
    StringBuilder names = new StringBuilder();
    for (Values.Type type : types) {
      names.append(names.length() > 0 ? ", c_" : "c_").append(type.key());
    }
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT " + names + " FROM dbo." + table + " ORDER BY id")) {
      for (String row : ROWS) {
        rows.next();
        for (int i = 0; i < types.size(); ++i) {
          values.put(types.get(i).key() + "." + row, Values.text(rows, i + 1, types.get(i)));
        }
      }
    }
  }

  private static void read(Map<String, String> values) throws SQLException {
    try (Connection connection = connect()) {
      readTable(connection, "typed_values", values);
    }
  }

  private static void parameters(Map<String, String> values) throws SQLException {
    try (Connection connection = connect()) {
      for (Values.Type type : types) {
        for (int row = 0; row < ROWS.length; ++row) {
          String key = type.key() + "." + ROWS[row];
          try (PreparedStatement statement =
              connection.prepareStatement("SELECT CAST(? AS " + type.declaration() + ") AS v")) {
            Values.set(statement, 1, type, type.texts()[row]);
            ResultSet rows = statement.executeQuery();
            rows.next();
            values.put(key, Values.text(rows, 1, type));
          } catch (SQLException | RuntimeException error) {
            values.put(key, "!" + error);
          }
        }
      }
    }
  }

  // The driver prepares at the second execution and uses the handle from the third.
  private static void prepared(Map<String, String> values) throws SQLException {
    Map<String, String> failures = new LinkedHashMap<>();
    try (Connection connection = connect()) {
      for (Values.Type type : types) {
        try (PreparedStatement statement = connection.prepareStatement(
            "UPDATE dbo.prepared_values SET c_" + type.key() + " = ? WHERE id = ?")) {
          for (int row = 0; row < ROWS.length; ++row) {
            try {
              Values.set(statement, 1, type, type.texts()[row]);
              statement.setInt(2, row + 1);
              statement.executeUpdate();
            } catch (SQLException | RuntimeException error) {
              failures.put(type.key() + "." + ROWS[row], "!" + error);
            }
          }
        }
      }
      readTable(connection, "prepared_values", values);
      values.putAll(failures);
    }
  }

  private static void transactions(Map<String, String> values) throws SQLException {
    String all = "SELECT id FROM dbo.transaction_rows ORDER BY id";
    try (Connection connection = connect(); Connection other = connect();
        Statement statement = connection.createStatement(); Statement seen = other.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("INSERT INTO dbo.transaction_rows VALUES (1)");
      connection.rollback();
      values.put("after_rollback", list(seen, all));
      statement.execute("INSERT INTO dbo.transaction_rows VALUES (1)");
      connection.commit();
      values.put("after_commit", list(seen, all));
      statement.execute("INSERT INTO dbo.transaction_rows VALUES (2)");
      Savepoint savepoint = connection.setSavepoint("before_three");
      statement.execute("INSERT INTO dbo.transaction_rows VALUES (3)");
      connection.rollback(savepoint);
      connection.commit();
      values.put("after_savepoint", list(seen, all));
    }
  }

  private static void rows100000(Map<String, String> values) throws SQLException {
    long count = 0;
    long sumId = 0;
    long nameLength = 0;
    long nulls = 0;
    BigDecimal sumAmount = BigDecimal.ZERO;
    String last = "";
    try (Connection connection = connect(); Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT id, name, amount, at, note FROM dbo.big ORDER BY id")) {
      while (rows.next()) {
        ++count;
        sumId += rows.getInt(1);
        nameLength += rows.getString(2).length();
        sumAmount = sumAmount.add(rows.getBigDecimal(3));
        nulls += rows.getString(5) == null ? 1 : 0;
        if (rows.getInt(1) == 100_000) {
          last = rows.getString(2) + "|" + DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS")
              .format(rows.getObject(4, LocalDateTime.class));
        }
      }
    }
    values.put("rows", String.valueOf(count));
    values.put("sum_id", String.valueOf(sumId));
    values.put("sum_amount", sumAmount.toPlainString());
    values.put("name_length", String.valueOf(nameLength));
    values.put("nulls", String.valueOf(nulls));
    values.put("last", last);
  }

  private static void afterCancel(Connection connection, String session, Map<String, String> values)
      throws SQLException {
    try (Statement statement = connection.createStatement()) {
      values.put("then", first(statement, "SELECT 42"));
      values.put("same_connection", first(statement, "SELECT @@SPID").equals(session) ? "yes" : "no");
    }
  }

  private static void cancel(Map<String, String> values) throws SQLException {
    try (Connection connection = connect(); Statement statement = connection.createStatement()) {
      String session = first(statement, "SELECT @@SPID");
      try (ResultSet rows =
          statement.executeQuery("SELECT a.id, a.name FROM dbo.big a CROSS JOIN dbo.big b")) {
        int count = 0;
        while (count < 10 && rows.next()) {
          ++count;
        }
        values.put("rows_before", String.valueOf(count));
        statement.cancel();
      }
      afterCancel(connection, session, values);
    }
  }

  private static void cancelWaiting(Map<String, String> values) throws SQLException {
    try (Connection connection = connect(); Statement statement = connection.createStatement()) {
      String session = first(statement, "SELECT @@SPID");
      statement.setQueryTimeout(1);
      try {
        statement.execute("WAITFOR DELAY '00:01:00'");
        throw new IllegalStateException("it was not interrupted");
      } catch (SQLTimeoutException expected) {
        afterCancel(connection, session, values);
      }
    }
  }

  private static void connections50(Map<String, String> values) throws SQLException {
    List<Connection> connections = new ArrayList<>();
    for (int i = 0; i < 50; ++i) {
      connections.add(connect());
    }
    Set<String> sessions = new HashSet<>();
    for (Connection connection : connections) {
      try (Statement statement = connection.createStatement()) {
        sessions.add(first(statement, "SELECT @@SPID"));
      }
    }
    for (Connection connection : connections) {
      connection.close();
    }
    values.put("open", String.valueOf(connections.size()));
    values.put("distinct", String.valueOf(sessions.size()));
  }

  private static void errors(Map<String, String> values) throws SQLException {
    Map<String, String> statements = new LinkedHashMap<>();
    statements.put("duplicate", "INSERT INTO dbo.orders VALUES (2, N'again', 0)");
    statements.put("missing", "SELECT * FROM dbo.not_there");
    statements.put("syntax", "SELECT (1");
    statements.put("zero", "SELECT 1 / (id - 2) FROM dbo.orders WHERE id = 2");
    statements.put("thrown", "THROW 50123, N'thrown', 1");
    try (Connection connection = connect(); Statement statement = connection.createStatement()) {
      for (Map.Entry<String, String> entry : statements.entrySet()) {
        try {
          if (statement.execute(entry.getValue())) {
            statement.getResultSet().next();
          }
          values.put(entry.getKey(), "no error");
        } catch (SQLException error) {
          values.put(entry.getKey(), String.valueOf(error.getErrorCode()));
        }
      }
      values.put("then", first(statement, "SELECT 42"));
    }
  }

  private static void cdc(Map<String, String> values) throws SQLException {
    try (Connection connection = connect(); Statement statement = connection.createStatement()) {
      values.put("change_tables", list(statement, "SELECT capture_instance FROM cdc.change_tables"));
      values.put("captured_columns",
          list(statement, "SELECT column_name FROM cdc.captured_columns ORDER BY column_ordinal"));
      values.put("lsn_time_mapping",
          first(statement, "SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00"));
      ResultSet range = statement.executeQuery(
          "SELECT sys.fn_cdc_get_min_lsn(N'dbo_orders'), sys.fn_cdc_get_max_lsn()");
      range.next();
      byte[] low = range.getBytes(1);
      byte[] high = range.getBytes(2);
      values.put("max_lsn_bytes", String.valueOf(high.length));
      try (ResultSet help =
          connection.prepareCall("{call sys.sp_cdc_help_change_data_capture}").executeQuery()) {
        help.next();
        values.put("help", help.getString(1) + "." + help.getString(2) + " " + help.getString(3));
      }
      PreparedStatement changes = connection.prepareStatement("SELECT __$operation, id, customer, amount "
          + "FROM cdc.fn_cdc_get_all_changes_dbo_orders(?, ?, N'all update old') "
          + "ORDER BY __$start_lsn, __$seqval, __$operation");
      changes.setBytes(1, low);
      changes.setBytes(2, high);
      StringBuilder joined = new StringBuilder();
      try (ResultSet rows = changes.executeQuery()) {
        while (rows.next()) {
          joined.append(joined.length() > 0 ? ";" : "").append(rows.getInt(1)).append(',')
              .append(rows.getInt(2)).append(',').append(rows.getString(3)).append(',')
              .append(rows.getBigDecimal(4).toPlainString());
        }
      }
      values.put("changes", joined.toString());
    }
  }

  private static void catalog(Map<String, String> values) throws SQLException {
    try (Connection connection = connect()) {
      DatabaseMetaData data = connection.getMetaData();
      values.put("tables", list(data.getTables("clients", "dbo", "%", new String[] {"TABLE"}), "TABLE_NAME"));
      values.put("columns",
          list(data.getColumns("clients", "dbo", "orders", "%"), "COLUMN_NAME", "TYPE_NAME"));
      values.put("keys", list(data.getPrimaryKeys("clients", "dbo", "orders"), "COLUMN_NAME"));
      values.put("foreign_keys",
          list(data.getImportedKeys("clients", "dbo", "order_lines"), "PKCOLUMN_NAME", "FKCOLUMN_NAME"));
      // Of a query that has not been executed.
      try (PreparedStatement query =
          connection.prepareStatement("SELECT id, customer, amount FROM dbo.orders WHERE id = ?")) {
        ResultSetMetaData columns = query.getMetaData();
        StringBuilder described = new StringBuilder();
        for (int i = 1; i <= columns.getColumnCount(); ++i) {
          described.append(i > 1 ? "," : "").append(columns.getColumnName(i)).append(' ')
              .append(columns.getColumnType(i));
        }
        values.put("described", described.toString());
      }
    }
  }

  private static void bulkLoad(Map<String, String> values) throws SQLException {
    try (Connection connection = connect(); Statement statement = connection.createStatement();
        SQLServerBulkCopy copy = new SQLServerBulkCopy(connection)) {
      copy.setDestinationTableName("dbo.bulk_rows");
      copy.writeToServer(new BulkRows());
      ResultSet rows = statement.executeQuery("SELECT COUNT(*), SUM(id), SUM(LEN(name)), SUM(amount), MAX(at), "
          + "SUM(CASE WHEN note IS NULL THEN 1 ELSE 0 END) FROM dbo.bulk_rows");
      rows.next();
      values.put("rows", rows.getString(1));
      values.put("sum_id", rows.getString(2));
      values.put("name_length", rows.getString(3));
      values.put("sum_amount", rows.getBigDecimal(4).toPlainString());
      values.put("last", rows.getString(5));
      values.put("nulls", rows.getString(6));
    }
  }

  private static long serverCursors(Statement statement) throws SQLException {
    try (ResultSet rows = statement.executeQuery("EXEC dstream.request_counts")) {
      while (rows.next()) {
        if (rows.getString(1).equals("server_cursors")) {
          return rows.getLong(2);
        }
      }
    }
    return -1;
  }

  private static String scrolled(Connection connection, Map<String, String> values)
      throws SQLException {
    try (Statement statement = connection.createStatement(
            ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
        ResultSet rows =
            statement.executeQuery("SELECT id FROM dbo.big WHERE id <= 50 ORDER BY id")) {
      values.put("columns", String.valueOf(rows.getMetaData().getColumnCount()));
      StringBuilder ids = new StringBuilder();
      rows.last();
      ids.append(rows.getInt(1));
      rows.previous();
      ids.append(',').append(rows.getInt(1));
      rows.absolute(2);
      ids.append(',').append(rows.getInt(1));
      rows.first();
      ids.append(',').append(rows.getInt(1));
      rows.absolute(-3);
      return ids.append(',').append(rows.getInt(1)).toString();
    }
  }

  /** Rows changed, deleted and refreshed where the cursor stands. */
  private static void changeAtCursor(Connection connection, Map<String, String> values)
      throws SQLException {
    try (Statement setup = connection.createStatement();
        Statement statement = connection.createStatement(
            ResultSet.TYPE_SCROLL_SENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
      setup.execute("CREATE TABLE #at_cursor (id int NOT NULL PRIMARY KEY, name varchar(20))");
      setup.execute("INSERT INTO #at_cursor VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')");
      try (ResultSet rows = statement.executeQuery("SELECT id, name FROM #at_cursor ORDER BY id")) {
        rows.absolute(2);
        rows.updateString(2, "changed");
        rows.updateRow();
        rows.absolute(3);
        rows.deleteRow();
        rows.absolute(2);
        rows.refreshRow();
        values.put("refreshed", rows.getString(2));
        rows.next();
        values.put("deleted_row", rows.rowDeleted() ? "deleted" : "there");
      }
      values.put("changed", list(setup, "SELECT name FROM #at_cursor ORDER BY id"));
    }
  }

  private static void serverCursors(Map<String, String> values) throws SQLException {
    String sql = "SELECT id FROM dbo.orders";
    try (Connection connection = connect(); Statement counter = connection.createStatement();
        Statement statement = connection.createStatement();
        PreparedStatement prepared = connection.prepareStatement(sql)) {
      long before = serverCursors(counter);
      try (ResultSet rows = statement.executeQuery(sql)) {
        rows.setFetchSize(10);
        rows.next();
      }
      long afterFirst = serverCursors(counter);
      statement.setFetchSize(10);
      list(statement, sql);
      long afterSecond = serverCursors(counter);
      prepared.setFetchSize(10);
      for (int i = 0; i < 3; ++i) {
        prepared.executeQuery().close();
      }
      values.put("array_after_execute", String.valueOf(afterFirst - before));
      values.put("array_before_execute", String.valueOf(afterSecond - afterFirst));
      values.put("array_prepared", String.valueOf(serverCursors(counter) - afterSecond));
      values.put("scrolled", scrolled(connection, values));
      changeAtCursor(connection, values);
    }
  }

  private static String json(String text) {
    StringBuilder json = new StringBuilder("\"");
    text.chars().forEach(c -> {
      if (c == '"' || c == '\\') {
        json.append('\\').append((char) c);
      } else if (c < 0x20) {
        json.append(String.format("\\u%04x", c));
      } else {
        json.append((char) c);
      }
    });
    return json.append('"').toString();
  }

  private static void report(String name, Case body) {
    Map<String, String> values = new LinkedHashMap<>();
    String error = "";
    try {
      body.run(values);
    } catch (Exception failure) {
      StackTraceElement at = failure.getStackTrace().length > 0 ? failure.getStackTrace()[0] : null;
      error = ",\"error\":" + json(failure + " at " + at);
    }
    StringBuilder joined = new StringBuilder();
    values.forEach((key, value) -> joined.append(joined.length() > 0 ? "," : "").append(json(key)).append(':')
        .append(json(String.valueOf(value))));
    OUT.println("{\"case\":" + json(name) + ",\"values\":{" + joined + "}" + error + "}");
  }

  public static void main(String[] arguments) throws Exception {
    port = arguments[0];
    certificate = arguments[1];
    for (String line : Files.readAllLines(Path.of(arguments[2]), StandardCharsets.UTF_8)) {
      String[] fields = line.split("\t", -1);
      types.add(new Values.Type(fields[0], fields[1], fields[2],
          new String[] {fields[3], fields[4], fields[5], null}));
    }
    Map<String, Case> cases = new LinkedHashMap<>();
    cases.put("connect_plain", connecting("encrypt=false;trustServerCertificate=true"));
    cases.put("connect_tls", connecting("encrypt=true;trustServerCertificate=true"));
    cases.put("connect_strict", connecting("encrypt=strict;serverCertificate=" + certificate));
    cases.put("wrong_password", Client::wrongPassword);
    cases.put("read", Client::read);
    cases.put("parameters", Client::parameters);
    cases.put("prepared", Client::prepared);
    cases.put("transactions", Client::transactions);
    cases.put("rows_100000", Client::rows100000);
    cases.put("cancel", Client::cancel);
    cases.put("cancel_waiting", Client::cancelWaiting);
    cases.put("connections_50", Client::connections50);
    cases.put("errors", Client::errors);
    cases.put("cdc", Client::cdc);
    cases.put("catalog", Client::catalog);
    cases.put("bulk_load", Client::bulkLoad);
    cases.put("server_cursors", Client::serverCursors);
    Set<String> chosen = new HashSet<>(Arrays.asList(arguments).subList(3, arguments.length));
    cases.forEach((name, body) -> {
      if (chosen.isEmpty() || chosen.contains(name)) {
        report(name, body);
      }
    });
  }

  private Client() {}
}
