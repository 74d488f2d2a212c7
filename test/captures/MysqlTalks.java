import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * What record.ts records of Connector/J: NAME HOST PORT. It takes CLIENT_DEPRECATE_EOF, by which results end otherwise. Says
 * `rests` where the server is to be asked what it sees, and in the end what the server has counted of this session since
 * it was open, beside what the client knows.
 */
public final class MysqlTalks {
  public static void main(String[] args) throws Exception {
    String url =
        String.format(
            "jdbc:mysql://%s:%s/talk?user=ann&password=%s&sslMode=DISABLED&allowMultiQueries=true"
                + "&useCursorFetch=true&useServerPrepStmts=true",
            args[1], args[2], System.getenv("PASSWORD"));
    try (Connection connection = DriverManager.getConnection(url);
        Statement plain = connection.createStatement()) {
      plain.execute("CREATE TABLE t (n INT PRIMARY KEY)");
      plain.execute("INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7)");
      cursor(connection);
      results(connection, plain);
      int questions = 0;
      int fetches = 0;
      try (ResultSet counted =
          plain.executeQuery("SHOW SESSION STATUS WHERE Variable_name IN ('Questions', 'Com_stmt_fetch')")) {
        while (counted.next()) {
          if (counted.getString(1).equals("Questions")) questions = counted.getInt(2);
          else fetches = counted.getInt(2);
        }
      }
      // The two statements that stand behind another one in its command.
      System.out.printf("hidden 2%nquestions %d%nfetches %d%nerrors 1%n", questions, fetches);
    }
  }

  /** Read in portions to its end, and left in the middle; within a transaction. */
  private static void cursor(Connection connection) throws Exception {
    connection.setAutoCommit(false);
    for (int most : new int[] {9, 3}) {
      try (PreparedStatement statement = connection.prepareStatement("SELECT n, 'row' FROM t WHERE n > ?")) {
        statement.setFetchSize(2);
        statement.setInt(1, 1);
        try (ResultSet rows = statement.executeQuery()) {
          for (int i = 0; i < most && rows.next(); i++) rows.getString(2);
          rests();
        }
      }
    }
    connection.commit();
    connection.setAutoCommit(true);
    rests();
  }

  /** Several statements, an error among them, and a procedure with several results. */
  private static void results(Connection connection, Statement plain) throws Exception {
    plain.execute("SELECT n FROM t; INSERT INTO t VALUES (8); SELECT 'a', 'b' FROM t LIMIT 0");
    while (plain.getMoreResults() || plain.getUpdateCount() >= 0) {}
    rests();
    try {
      plain.execute("INSERT INTO t VALUES (1); SELECT 1");
    } catch (SQLException expected) {
      rests();
    }
    plain.execute("CREATE PROCEDURE p(IN a INT, OUT doubled INT) BEGIN SELECT n FROM t WHERE n > a; SELECT a; SET doubled = a * 2; END");
    try (CallableStatement call = connection.prepareCall("{CALL p(?, ?)}")) {
      call.setInt(1, 5);
      call.registerOutParameter(2, java.sql.Types.INTEGER);
      call.execute();
      while (call.getMoreResults()) {}
      if (call.getInt(2) != 10) throw new IllegalStateException();
    }
    rests();
  }

  private static void rests() throws Exception {
    System.out.println("rests");
    System.out.flush();
    while (System.in.read() != '\n') {}
  }
}
