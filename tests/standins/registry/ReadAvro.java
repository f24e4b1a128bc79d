// Reads messages in Confluent's wire format with Apache Avro's own reader.
//
// usage: java -cp 'JARS/*' ReadAvro.java SCHEMAS    one message a line on standard input, in hex
//
// SCHEMAS is a folder with the schema of each id as ID.avsc. Prints each message as Avro shows it,
// logical types as the Java types they stand for. Ends with an error if a byte is left over.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

public class ReadAvro {
  public static void main(String[] arguments) throws Exception {
    GenericData data = new GenericData();
    data.addLogicalTypeConversion(new Conversions.DecimalConversion());
    data.addLogicalTypeConversion(new Conversions.UUIDConversion());
    data.addLogicalTypeConversion(new TimeConversions.DateConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimeMicrosConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
    data.addLogicalTypeConversion(new TimeConversions.LocalTimestampMicrosConversion());
    Map<Integer, Schema> schemas = new HashMap<>();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ByteBuffer message = ByteBuffer.wrap(HexFormat.of().parseHex(line));
      if (message.get() != 0) {
        throw new IllegalArgumentException("the first byte is not 0");
      }
      int id = message.getInt();
      Schema schema = schemas.get(id);
      if (schema == null) {
        String text = Files.readString(Path.of(arguments[0], id + ".avsc"));
        schema = new Schema.Parser().parse(text);
        schemas.put(id, schema);
      }
      byte[] body = new byte[message.remaining()];
      message.get(body);
      BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(body, null);
      Object datum = new GenericDatumReader<>(schema, schema, data).read(null, decoder);
      if (!decoder.isEnd()) {
        throw new IllegalArgumentException("bytes are left over: " + line);
      }
      System.out.println(schema.getFullName() + " " + datum);
    }
  }
}
