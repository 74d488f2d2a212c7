import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.Properties;

/**
 * Reads a large result in portions: by a portal (Postgres, setFetchSize in a transaction) or by the server's cursor
 * (MySQL, COM_STMT_FETCH). Arguments: the JDBC URL, the query, and properties as `name=value`. Prints how many rows there
 * were and a sum over all their columns.
 */
public final class CursorFetch {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    properties.setProperty("password", System.getenv("PASSWORD"));
    for (int i = 2; i < args.length; i++) {
      String[] pair = args[i].split("=", 2);
      properties.setProperty(pair[0], pair[1]);
    }
    try (Connection connection = DriverManager.getConnection(args[0], properties)) {
      connection.setAutoCommit(false);
      for (int portion : new int[] {1, 7, 1000}) {
        long rows = 0;
        long sum = 0;
        try (PreparedStatement statement = connection.prepareStatement(args[1])) {
          statement.setFetchSize(portion);
          statement.setInt(1, 5000);
          try (ResultSet result = statement.executeQuery()) {
            while (result.next()) {
              rows++;
              sum += result.getInt(1) * 31L + result.getString(2).hashCode();
            }
          }
        }
        System.out.println(portion + " " + rows + " " + sum);
      }
      connection.commit();
    }
  }
}
