import com.microsoft.sqlserver.jdbc.ISQLServerBulkData;
import java.math.BigDecimal;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Set;

/** 1,000 rows of dbo.bulk_rows. */
final class BulkRows implements ISQLServerBulkData {
  private static final String[] NAMES = {"id", "name", "amount", "at", "note"};
  private static final int[] TYPES =
      {Types.INTEGER, Types.NVARCHAR, Types.DECIMAL, Types.TIMESTAMP, Types.VARCHAR};
  private static final int[] PRECISIONS = {0, 40, 18, 23, 60};
  private static final int[] SCALES = {0, 0, 4, 3, 0};
  private int row = 0;

  @Override
  public Set<Integer> getColumnOrdinals() {
    return Set.of(1, 2, 3, 4, 5);
  }

  @Override
  public String getColumnName(int column) {
    return NAMES[column - 1];
  }

  @Override
  public int getColumnType(int column) {
    return TYPES[column - 1];
  }

  @Override
  public int getPrecision(int column) {
    return PRECISIONS[column - 1];
  }

  @Override
  public int getScale(int column) {
    return SCALES[column - 1];
  }

  @Override
  public Object[] getRowData() {
    return new Object[] {row, "name " + row, BigDecimal.valueOf(row * 2500L, 4),
        Timestamp.valueOf("2024-01-02 03:04:05.678"), row % 10 == 0 ? null : "note"};
  }

  @Override
  public boolean next() {
    return ++row <= 1000;
  }
}
