// Debezium's embedded engine, or plain JDBC, at the end of a pipe: what debezium_test.py drives.
//
//   java Client stream PROPERTIES    runs the connector; "change TAB value-as-JSON" for every
//                                    record, "state TAB running|stopped|failed TAB text"
//   java Client records PROPERTIES   the same, with "record TAB JSON": topic, key, value, headers
//   java Client sql URL CONNECTIONS  one JSON object a line, {"connection": 0, "sql": "..."}, is
//                                    answered by {"connection": 0, "rows": [[...]]} or with
//                                    "error" and "text"; connections work side by side
//
// Both end when their standard input ends.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.FileReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

public final class Client {
  private static final OutputStream OUT = new FileOutputStream(FileDescriptor.out);
  private static final ObjectMapper MAPPER = new ObjectMapper();

  // Whole lines in one write: what was written is the reader's, even if this process is killed.
  private static synchronized void write(StringBuilder lines) throws java.io.IOException {
    OUT.write(lines.toString().getBytes(StandardCharsets.UTF_8));
  }

  private static void say(String line) {
    try {
      write(new StringBuilder(line).append('\n'));
    } catch (java.io.IOException e) {
      System.exit(1); // Nobody listens any more.
    }
  }

  private static BufferedReader input() {
    return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
  }

  private static final AtomicBoolean WHOLE = new AtomicBoolean();

  // Key, value and headers stay the texts that the converter made of them.
  private static String whole(ChangeEvent<String, String> record) {
    ObjectNode line = MAPPER.createObjectNode();
    line.put("topic", record.destination()).put("key", record.key()).put("value", record.value());
    ObjectNode headers = line.putObject("headers");
    record.headers().forEach(header -> headers.put(header.getKey(), String.valueOf(header.getValue())));
    return line.toString();
  }

  private static void deliver(
      List<ChangeEvent<String, String>> records,
      DebeziumEngine.RecordCommitter<ChangeEvent<String, String>> committer)
      throws InterruptedException {
    StringBuilder lines = new StringBuilder();
    for (ChangeEvent<String, String> record : records) {
      lines.append(WHOLE.get() ? "record\t" + whole(record) : "change\t" + record.value());
      lines.append('\n');
    }
    try {
      write(lines); // Before the engine hears that they are processed.
    } catch (java.io.IOException e) {
      throw new InterruptedException("nobody listens any more");
    }
    for (ChangeEvent<String, String> record : records) {
      committer.markProcessed(record);
    }
    committer.markBatchFinished();
  }

  private static void stream(String file) throws Exception {
    Properties properties = new Properties();
    try (FileReader reader = new FileReader(file, StandardCharsets.UTF_8)) {
      properties.load(reader);
    }
    DebeziumEngine<ChangeEvent<String, String>> engine =
        DebeziumEngine.create(Json.class, Json.class, Json.class)
            .using(properties)
            .using(
                new DebeziumEngine.ConnectorCallback() {
                  @Override
                  public void pollingStarted() {
                    say("state\trunning");
                  }
                })
            .using(
                (success, message, error) ->
                    say("state\t" + (success ? "stopped" : "failed") + "\t"
                        + String.valueOf(message).replaceAll("\\s+", " ")))
            .notifying(Client::deliver)
            .build();
    ExecutorService runner = Executors.newSingleThreadExecutor();
    runner.execute(engine);
    BufferedReader in = input();
    while (in.readLine() != null) {}
    engine.close();
    runner.shutdown();
    runner.awaitTermination(30, TimeUnit.SECONDS);
  }

  private static ArrayNode rows(ResultSet result) throws SQLException {
    ArrayNode rows = MAPPER.createArrayNode();
    int columns = result.getMetaData().getColumnCount();
    while (result.next()) {
      ArrayNode row = rows.addArray();
      for (int i = 1; i <= columns; ++i) {
        row.add(result.getString(i));
      }
    }
    return rows;
  }

  private static void execute(Connection connection, JsonNode request) {
    ObjectNode answer = MAPPER.createObjectNode();
    answer.put("connection", request.get("connection").asInt());
    try (Statement statement = connection.createStatement()) {
      boolean isResult = statement.execute(request.get("sql").asText());
      while (true) {
        if (isResult) {
          answer.set("rows", rows(statement.getResultSet()));
        } else if (statement.getUpdateCount() < 0) {
          break;
        }
        isResult = statement.getMoreResults();
      }
    } catch (SQLException e) {
      answer.put("error", e.getErrorCode()).put("text", e.getMessage());
    }
    say(answer.toString());
  }

  private static void sql(String url, int connections) throws Exception {
    List<Connection> open = new ArrayList<>();
    List<ExecutorService> workers = new ArrayList<>();
    for (int i = 0; i < connections; ++i) {
      open.add(DriverManager.getConnection(url));
      workers.add(Executors.newSingleThreadExecutor());
    }
    say("{\"ready\": true}");
    BufferedReader in = input();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode request = MAPPER.readTree(line);
      int number = request.get("connection").asInt();
      workers.get(number).execute(() -> execute(open.get(number), request));
    }
    for (ExecutorService worker : workers) {
      worker.shutdown();
      worker.awaitTermination(30, TimeUnit.SECONDS);
    }
  }

  public static void main(String[] arguments) throws Exception {
    WHOLE.set(arguments[0].equals("records"));
    if (arguments[0].equals("stream") || WHOLE.get()) {
      stream(arguments[1]);
    } else {
      sql(arguments[1], Integer.parseInt(arguments[2]));
    }
    System.exit(0);
  }
}
