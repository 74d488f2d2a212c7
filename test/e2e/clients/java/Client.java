import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Base64;
import java.util.List;
import java.util.Properties;

/**
 * Clients by JDBC, all logins in one virtual machine. A login is a line on standard input: host, port, user, password,
 * database, CA and `direct` or nothing, with tabs between. So is what it was told, on standard output: `in`, the
 * database, the doubled number and the sum, or `out`, the code and the message in base 64 (see conversation.ts).
 */
public final class Client {
  private record Login(
      String host, String port, String user, String password, String database, String ca, boolean direct) {}

  private record Dialect(String database, String doubled, String many, boolean hasErrno) {}

  private static final Dialect POSTGRES =
      new Dialect(
          "SELECT current_database()",
          "SELECT ?::int * 2",
          "SELECT i FROM generate_series(1, 5000) AS i",
          false);
  private static final Dialect MYSQL =
      new Dialect(
          "SELECT database()", "SELECT CAST(? AS SIGNED) * 2", "SELECT seq FROM seq_1_to_5000", true);

  public static void main(String[] args) throws Exception {
    boolean isPostgres = args[0].equals("pgjdbc");
    List<String> lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).lines().toList();
    for (String line : lines) {
      String[] words = line.split("\t", -1);
      Login to =
          new Login(words[0], words[1], words[2], words[3], words[4], words[5], words[6].equals("direct"));
      System.out.println(isPostgres ? told(postgres(to), POSTGRES) : told(mysql(to), MYSQL));
    }
  }

  private record Way(String url, Properties properties) {}

  private static Way postgres(Login to) {
    Properties properties = account(to);
    properties.setProperty("sslmode", "verify-full");
    properties.setProperty("sslrootcert", to.ca());
    if (to.direct()) properties.setProperty("sslNegotiation", "direct");
    return new Way("jdbc:postgresql://" + to.host() + ":" + to.port() + "/" + to.database(), properties);
  }

  private static Way mysql(Login to) throws IOException, GeneralSecurityException {
    Properties properties = account(to);
    properties.setProperty("sslMode", "VERIFY_IDENTITY");
    properties.setProperty("trustCertificateKeyStoreUrl", trusting(Path.of(to.ca())).toUri().toString());
    properties.setProperty("trustCertificateKeyStoreType", "PKCS12");
    properties.setProperty("trustCertificateKeyStorePassword", "changeit");
    properties.setProperty("fallbackToSystemTrustStore", "false");
    properties.setProperty("useServerPrepStmts", "true");
    return new Way("jdbc:mysql://" + to.host() + ":" + to.port() + "/" + to.database(), properties);
  }

  private static Properties account(Login to) {
    Properties properties = new Properties();
    properties.setProperty("user", to.user());
    properties.setProperty("password", to.password());
    return properties;
  }

  /** The certificate in the one form that Connector/J reads. */
  private static Path trusting(Path pem) throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (var in = Files.newInputStream(pem)) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    Path file = Files.createTempFile("trusted", ".p12");
    file.toFile().deleteOnExit();
    try (var out = Files.newOutputStream(file)) {
      store.store(out, "changeit".toCharArray());
    }
    return file;
  }

  private static String told(Way way, Dialect dialect) {
    try (Connection connection = DriverManager.getConnection(way.url(), way.properties())) {
      String database;
      int doubled;
      long sum = 0;
      try (Statement statement = connection.createStatement()) {
        database = only(statement.executeQuery(dialect.database())).getString(1);
      }
      try (PreparedStatement statement = connection.prepareStatement(dialect.doubled())) {
        statement.setInt(1, 21);
        doubled = only(statement.executeQuery()).getInt(1);
      }
      try (Statement statement = connection.createStatement();
          ResultSet rows = statement.executeQuery(dialect.many())) {
        while (rows.next()) sum += rows.getInt(1);
      }
      return String.join("\t", "in", database, Integer.toString(doubled), Long.toString(sum));
    } catch (SQLException error) {
      String state = error.getSQLState() == null ? "" : error.getSQLState();
      String code = dialect.hasErrno() ? Integer.toString(error.getErrorCode()) : state;
      return String.join("\t", "out", code, base64(messages(error)));
    }
  }

  private static ResultSet only(ResultSet rows) throws SQLException {
    rows.next();
    return rows;
  }

  /** With its causes: what is wrong with a certificate is found in the last one. */
  private static String messages(Throwable error) {
    StringBuilder text = new StringBuilder();
    for (Throwable one = error; one != null; one = one.getCause()) text.append(one.getMessage()).append('\n');
    return text.toString();
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }
}
