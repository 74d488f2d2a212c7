/*
 * What record.ts records of MariaDB Connector/C: NAME HOST PORT. It alone of the C and Python clients has cursors in the
 * server, and sends many rows of parameters at once. Says `rests` where the server is to be asked what it sees, and in the
 * end what the server has counted of this session, beside what the client knows.
 */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MYSQL *connection;

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void rests(void) {
  char line[8];
  printf("rests\n");
  fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) exit(1);
}

static void query(const char *text) {
  if (mysql_query(connection, text)) fail(text, mysql_error(connection));
  mysql_free_result(mysql_store_result(connection));
}

static MYSQL_STMT *prepared(const char *text) {
  MYSQL_STMT *statement = mysql_stmt_init(connection);
  if (mysql_stmt_prepare(statement, text, strlen(text))) fail(text, mysql_stmt_error(statement));
  return statement;
}

static void execute(MYSQL_STMT *statement) {
  if (mysql_stmt_execute(statement)) fail("execute", mysql_stmt_error(statement));
}

static MYSQL_BIND number(int *place) {
  MYSQL_BIND bind = {0};
  bind.buffer_type = MYSQL_TYPE_LONG;
  bind.buffer = place;
  return bind;
}

static int fetched(MYSQL_STMT *statement, int most) {
  int rows = 0;
  while (rows < most && mysql_stmt_fetch(statement) == 0) rows++;
  return rows;
}

static void tell(int transactions, int errors) {
  query("SHOW SESSION STATUS LIKE 'no such thing'");
  if (mysql_query(connection, "SHOW SESSION STATUS WHERE Variable_name IN ('Questions', 'Com_stmt_fetch')")) exit(1);
  MYSQL_RES *result = mysql_store_result(connection);
  MYSQL_ROW row;
  while ((row = mysql_fetch_row(result)))
    printf("%s %s\n", strcmp(row[0], "Questions") ? "fetches" : "questions", row[1]);
  mysql_free_result(result);
  printf("transactions %d\nerrors %d\n", transactions + 2, errors);
}

static void numbers(void) {
  query("CREATE TABLE t (n INT PRIMARY KEY)");
  query("INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7)");
}

/* CURSOR_TYPE_READ_ONLY: read in portions to its end, left in the middle, empty, within a transaction. */
static void cursor(void) {
  numbers();
  unsigned long type = CURSOR_TYPE_READ_ONLY, portion = 3;
  int from = 0, n;
  MYSQL_STMT *statement = prepared("SELECT n, 'row' FROM t WHERE n > ?");
  mysql_stmt_attr_set(statement, STMT_ATTR_CURSOR_TYPE, &type);
  mysql_stmt_attr_set(statement, STMT_ATTR_PREFETCH_ROWS, &portion);
  MYSQL_BIND parameter = number(&from), columns[2] = {number(&n), {0}};
  char text[8];
  columns[1].buffer_type = MYSQL_TYPE_STRING;
  columns[1].buffer = text;
  columns[1].buffer_length = sizeof text;
  mysql_stmt_bind_param(statement, &parameter);
  mysql_stmt_bind_result(statement, columns);
  execute(statement);
  rests();
  if (fetched(statement, 99) != 7) fail("cursor", "not all rows");
  rests();
  execute(statement);
  fetched(statement, 4);
  rests();
  mysql_stmt_reset(statement);
  rests();
  from = 99;
  execute(statement);
  if (fetched(statement, 99) != 0) fail("cursor", "rows");
  rests();
  query("BEGIN");
  query("INSERT INTO t VALUES (8)");
  from = 6;
  execute(statement);
  fetched(statement, 1);
  rests();
  query("COMMIT");
  rests();
  mysql_stmt_close(statement);
  /* Two statements, three executions, one transaction. */
  tell(2 + 3 + 1, 0);
}

/* COM_STMT_BULK_EXECUTE: rows of parameters at once, with an error, within a transaction. */
static void bulk(void) {
  numbers();
  MYSQL_STMT *statement = prepared("INSERT INTO t VALUES (?)");
  int rows[3] = {11, 12, 13};
  unsigned int size = 3;
  MYSQL_BIND parameter = number(rows);
  mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &size);
  mysql_stmt_bind_param(statement, &parameter);
  execute(statement);
  rests();
  if (!mysql_stmt_execute(statement)) fail("bulk", "taken twice");
  rests();
  query("BEGIN");
  for (int i = 0; i < 3; i++) rows[i] += 10;
  execute(statement);
  rests();
  query("COMMIT");
  rests();
  mysql_stmt_close(statement);
  statement = prepared("INSERT INTO t VALUES (?) RETURNING n");
  for (int i = 0; i < 3; i++) rows[i] += 10;
  mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &size);
  mysql_stmt_bind_param(statement, &parameter);
  execute(statement);
  while (mysql_stmt_fetch(statement) != MYSQL_NO_DATA) {}
  rests();
  mysql_stmt_close(statement);
  tell(2 + 2 + 1 + 1, 1);
}

/* A prepared CALL: several results, and the parameters that it gives back as one of them. */
static void prepared_procedure(void) {
  numbers();
  query("CREATE PROCEDURE p(IN a INT, OUT doubled INT) BEGIN SELECT n FROM t WHERE n > a; SELECT a, 'x'; "
        "SET doubled = a * 2; END");
  MYSQL_STMT *statement = prepared("CALL p(?, ?)");
  int values[2] = {5, 0};
  MYSQL_BIND parameters[2] = {number(&values[0]), number(&values[1])};
  mysql_stmt_bind_param(statement, parameters);
  for (int i = 0; i < 2; i++) {
    execute(statement);
    do {
      if (mysql_stmt_field_count(statement)) mysql_stmt_store_result(statement);
      mysql_stmt_free_result(statement);
    } while (mysql_stmt_next_result(statement) == 0);
    rests();
  }
  mysql_stmt_close(statement);
  tell(3 + 2, 0);
}

int main(int count, char **words) {
  if (count != 4) return 2;
  connection = mysql_init(NULL);
  if (!mysql_real_connect(connection, words[2], "ann", getenv("PASSWORD"), "talk", atoi(words[3]), NULL,
                          CLIENT_MULTI_RESULTS))
    fail("connect", mysql_error(connection));
  if (!strcmp(words[1], "cursor")) cursor();
  if (!strcmp(words[1], "bulk")) bulk();
  if (!strcmp(words[1], "prepared-procedure")) prepared_procedure();
  mysql_close(connection);
  return 0;
}
