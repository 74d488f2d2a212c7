"""Pieces of work in MariaDB or MySQL; each leaves the database as it was and returns what must not depend on the way to it."""

import os
import ssl
import tempfile

import mysql.connector
import pymysql
import pymysql.constants.CLIENT
import pymysql.cursors
from work import digest, noise, run


def connect(way, **more):
    """By PyMySQL."""
    tls = {"ssl": ssl.create_default_context(cafile=way["ca"])} if "ca" in way else {"ssl_disabled": True}
    return pymysql.connect(**account(way), **tls, **{"max_allowed_packet": 160 << 20, **more})


def connector(way, **more):
    """By mysql-connector-python, which also speaks the binary protocol."""
    tls = {"ssl_ca": way["ca"], "ssl_verify_identity": True} if "ca" in way else {"ssl_disabled": True}
    return mysql.connector.connect(**account(way), **tls, use_pure=True, **more)


def account(way):
    return {name: way[name] for name in ("host", "port", "user", "password", "database")}


def binary_protocol(way):
    seen = []
    connection = connector(way)
    cursor = connection.cursor(prepared=True)
    for i in range(500):
        cursor.execute("SELECT ? * 2, CONCAT(?, 'é'), CAST(? AS DATETIME), ?", (i, f"№{i}", "2026-01-02 03:04:05", i / 7))
        seen.append(repr(cursor.fetchone()))
    connection.close()
    return seen


def many_prepared_statements(way):
    connection = connector(way)
    cursors = [connection.cursor(prepared=True) for _ in range(50)]
    seen = []
    for _ in range(2):
        for i, cursor in enumerate(cursors):
            cursor.execute(f"SELECT ? + {i}", (1,))
            seen.append([int(value) for (value,) in cursor.fetchall()])
    connection.close()
    return seen


def multi_statements(way):
    connection = connect(way, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT 2, 3; SET @a = 4; SELECT @a")
        results = [list(cursor.fetchall())]
        while cursor.nextset():
            results.append(list(cursor.fetchall()))
        try:
            cursor.execute("SELECT 1; SELECT nonsense; SELECT 3")
            while cursor.nextset():
                pass
        except pymysql.Error as error:
            results.append(error.args)
        cursor.execute("SELECT 'after'")
        results.append(cursor.fetchall())
    return results


def stored_procedures(way):
    connection = connector(way)
    cursor = connection.cursor()
    cursor.execute("DROP PROCEDURE IF EXISTS results")
    cursor.execute(
        "CREATE PROCEDURE results(IN n INT, OUT doubled INT, INOUT twice INT) BEGIN SELECT n; SELECT n + 1, n + 2; "
        "SET doubled = n * 2; SET twice = twice * 2; END"
    )
    arguments = cursor.callproc("results", (21, 0, 4))
    results = [result.fetchall() for result in cursor.stored_results()]
    cursor.execute("DROP PROCEDURE results")
    connection.close()
    return [list(arguments), results]


def load_local_file(way):
    # Several packets of the largest size, and one after.
    lines = b"".join(b"%d\t%s\n" % (i, b"x" * 900) for i in range(40000))
    connection = connect(way, local_infile=True)
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(lines)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE loaded (i INT, t TEXT)")
            cursor.execute(f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE loaded")
            loaded = cursor.rowcount
            cursor.execute("SELECT COUNT(*), SUM(i), SUM(CRC32(t)) FROM loaded")
            sums = [int(value) for value in cursor.fetchone()]
            missing = None
            try:
                cursor.execute("LOAD DATA LOCAL INFILE '/nowhere/at/all' INTO TABLE loaded")
            except (pymysql.Error, OSError) as error:
                missing = error.args[0]
    finally:
        os.unlink(file.name)
    return [loaded, sums, missing]


def large_rows(way):
    # More than one packet takes.
    megabytes = 64 if way["long"] else 17
    blob = noise(megabytes << 20)
    connection = connect(way)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE blobs (content LONGBLOB)")
        cursor.execute("INSERT INTO blobs VALUES (0x%s)" % blob[: 1 << 20].hex())
        cursor.execute("UPDATE blobs SET content = REPEAT(content, %s)", (megabytes,))
        cursor.execute("SELECT SHA2(content, 256), content FROM blobs")
        sha, back = cursor.fetchone()
        # The client's own packets of the largest size: as many bytes as they are long, binary.
        cursor.execute("DELETE FROM blobs")
        cursor.execute("INSERT INTO blobs VALUES (%s)", (blob,))
        cursor.execute("SELECT SHA2(content, 256), LENGTH(content) FROM blobs")
        there = list(cursor.fetchone())
        cursor.execute("SELECT content FROM blobs")
        (whole,) = cursor.fetchone()
    return [sha, digest([back]), there, digest([whole])]


def packets_at_the_border(way):
    """A packet has at most 2^24 - 1 bytes; one of just that size is followed by an empty one."""
    border = (1 << 24) - 1
    seen = []
    connection = connect(way)
    with connection, connection.cursor() as cursor:
        head, tail = "SELECT LENGTH('", "')"
        short = (border - 1, border, border + 1)
        for length in (*short, border - 2, 2 * border, 2 * border + 1) if way["long"] else short:
            # COM_QUERY is one byte of the packet.
            cursor.execute(head + "x" * (length - 1 - len(head) - len(tail)) + tail)
            seen.append(cursor.fetchone())
        # Four bytes of the packet say how long the value is.
        for length in range(border - 6, border + 4) if way["long"] else range(border - 5, border - 2):
            cursor.execute("SELECT REPEAT('y', %s)", (length,))
            seen.append(digest([cursor.fetchone()[0].encode()]))
    return seen


def packet_too_large(way):
    connection = connect(way, max_allowed_packet=1 << 30)
    try:
        connection.cursor().execute("SELECT LENGTH('" + "x" * (170 << 20) + "')")
        said = "served"
    except (pymysql.Error, OSError) as error:
        said = type(error).__name__
    return said


def large_in_lists(way):
    connection = connect(way)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE numbers SELECT seq AS i FROM seq_1_to_100000")
        numbers = ",".join(str(i) for i in range(1, 60001))
        cursor.execute(f"SELECT COUNT(*), SUM(i) FROM numbers WHERE i IN ({numbers})")
        return [int(value) for value in cursor.fetchone()]


def unbuffered_results(way):
    connection = connect(way, cursorclass=pymysql.cursors.SSCursor)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT seq, MD5(seq) FROM seq_1_to_200000")
        walked = digest(repr(row).encode() for row in cursor)
    return walked


def savepoints(way):
    seen = []
    connection = connect(way)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE saved (i INT PRIMARY KEY) ENGINE=InnoDB")
        connection.begin()
        for i in range(20):
            cursor.execute("SAVEPOINT here")
            try:
                cursor.execute("INSERT INTO saved VALUES (%s)", (i % 10,))
            except pymysql.IntegrityError as error:
                seen.append(error.args[0])
                cursor.execute("ROLLBACK TO here")
        cursor.execute("SELECT COUNT(*) FROM saved")
        seen.append(cursor.fetchone())
        connection.rollback()
        cursor.execute("SELECT COUNT(*) FROM saved")
        seen.append(cursor.fetchone())
        cursor.execute("DROP TABLE saved")
    return seen


def client_encodings(way):
    seen = []
    for charset, text in (("latin1", "Grüße"), ("sjis", "日本語テスト"), ("gbk", "中文"), ("utf8mb4", "Grüße 日本 🦀")):
        connection = connect(way, charset=charset)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT CHAR_LENGTH(%s), LENGTH(%s), HEX(%s), %s, @@character_set_client", (text,) * 4)
            seen.append(cursor.fetchone())
    return seen


def commands_besides_queries(way):
    """COM_PING, COM_INIT_DB, COM_RESET_CONNECTION, COM_CHANGE_USER, COM_STATISTICS, COM_FIELD_LIST."""
    seen = []
    connection = connector(way)
    cursor = connection.cursor()
    cursor.execute("SET @kept = 1")
    connection.ping()
    connection.database = "archive"
    cursor.execute("SELECT database(), @kept")
    seen.append(cursor.fetchone())
    connection.cmd_reset_connection()
    cursor = connection.cursor()
    cursor.execute("SELECT database(), @kept")
    seen.append(cursor.fetchone())
    connection.cmd_change_user(way["user"], way["password"], way["database"])
    cursor = connection.cursor()
    cursor.execute("SELECT current_user(), database(), @kept")
    seen.append(cursor.fetchone())
    seen.append("Uptime" in str(connection.cmd_statistics()) or "Uptime" in repr(connection.cmd_statistics()))
    connection.close()
    return seen


def warnings_and_errors(way):
    seen = []
    connection = connect(way)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT CAST('12x' AS SIGNED)")
        cursor.execute("SHOW WARNINGS")
        seen.append(cursor.fetchall())
        for statement in ("SELECT 1 FROM nowhere", "SELEC", "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine'"):
            try:
                cursor.execute(statement)
            except pymysql.Error as error:
                seen.append(error.args)
    return seen


run(globals())
