"""Pieces of work in Postgres; each leaves the database as it was and returns what must not depend on the way to it."""

import io
import select

import psycopg
import psycopg2
import psycopg2.extensions
from work import digest, noise, run


def words(way):
    tls = {"sslmode": "verify-full", "sslrootcert": way["ca"]} if "ca" in way else {"sslmode": "disable"}
    return {
        "host": way["host"],
        "port": way["port"],
        "user": way["user"],
        "password": way["password"],
        "dbname": way["database"],
        **tls,
    }


def connect(way, **more):
    return psycopg.connect(**words(way), **more)


def listen_notify(way):
    heard = []
    with connect(way, autocommit=True) as listener, connect(way, autocommit=True) as speaker:
        listener.execute("LISTEN news")
        for i in range(100):
            speaker.execute("SELECT pg_notify('news', %s)", (f"{i}:" + "x" * (i * 79),))
        for notice in listener.notifies(timeout=30, stop_after=100):
            heard.append((notice.channel, notice.payload))
        # Also with psycopg 2, which waits on the socket itself.
        old = psycopg2.connect(**words(way))
        old.set_session(autocommit=True)
        old.cursor().execute("LISTEN news")
        speaker.execute("NOTIFY news, 'late'")
        while not old.notifies:
            select.select([old], [], [], 30)
            old.poll()
        heard.append((old.notifies[0].channel, old.notifies[0].payload))
        old.close()
    return heard


def prepared_statements(way):
    seen = []
    with connect(way, prepare_threshold=0) as connection:
        for i in range(500):
            seen.append(connection.execute("SELECT %s::int * 2, %s::text", (i, f"№{i}")).fetchone())
        (count,) = connection.execute("SELECT count(*) FROM pg_prepared_statements", prepare=False).fetchone()
        connection.execute("PREPARE mine (int) AS SELECT $1 + 1", prepare=False)
        seen.append(connection.execute("EXECUTE mine(1)", prepare=False).fetchone())
        connection.execute("DEALLOCATE ALL", prepare=False)
    return [seen, count > 0]


def server_side_cursors(way):
    with connect(way) as connection:
        with connection.cursor(name="walk") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i")
            walked = digest(repr(row).encode() for row in cursor)
        with connection.cursor(name="back", scrollable=True) as cursor:
            cursor.execute("SELECT i FROM generate_series(1, 1000) AS i")
            cursor.scroll(500)
            there = cursor.fetchone()
            cursor.scroll(-100)
            back = cursor.fetchone()
    return [walked, there, back]


def cursors_with_hold(way):
    with connect(way) as connection:
        cursor = connection.cursor(name="held", withhold=True)
        cursor.execute("SELECT i FROM generate_series(1, 1000) AS i")
        first = cursor.fetchmany(10)
        connection.commit()
        rest = cursor.fetchall()
        cursor.close()
    return [first, len(rest), rest[-1]]


def pipeline_mode(way):
    with connect(way, autocommit=True) as connection:
        connection.execute("CREATE TABLE piped (i int PRIMARY KEY)")
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("INSERT INTO piped VALUES (%s) RETURNING i", (i,)) for i in range(2000)]
            pipeline.sync()
            inserted = [cursor.fetchone()[0] for cursor in cursors]
        errors = []
        try:
            with connection.pipeline() as pipeline:
                good = connection.execute("SELECT 1")
                connection.execute("INSERT INTO piped VALUES (0)")
                connection.execute("SELECT 3")
                pipeline.sync()
        except psycopg.Error as error:
            errors.append(error.sqlstate)
        (count,) = connection.execute("SELECT count(*) FROM piped").fetchone()
        connection.execute("DROP TABLE piped")
    return [inserted, errors, good.fetchone(), count]


def savepoints(way):
    seen = []
    with connect(way) as connection:
        connection.execute("CREATE TABLE saved (i int PRIMARY KEY)")
        for i in range(50):
            try:
                with connection.transaction():
                    connection.execute("INSERT INTO saved VALUES (%s)", (i % 10,))
            except psycopg.errors.UniqueViolation as error:
                seen.append(error.sqlstate)
        seen.append(connection.execute("SELECT count(*), sum(i) FROM saved").fetchone())
        connection.execute("SAVEPOINT a")
        connection.execute("DELETE FROM saved")
        connection.execute("ROLLBACK TO a")
        seen.append(connection.execute("SELECT count(*) FROM saved").fetchone())
        connection.rollback()
        (left,) = connection.execute("SELECT to_regclass('saved')").fetchone()
    return [seen, left]


def large_in_lists(way):
    numbers = list(range(1, 60001))
    with connect(way) as connection:
        literal = "SELECT count(*) FROM generate_series(1, 100000) AS i WHERE i IN (%s)" % ",".join(map(str, numbers))
        (by_text,) = connection.execute(literal).fetchone()
        marks = ",".join(["%s"] * len(numbers))
        (by_parameters,) = connection.execute(
            f"SELECT count(*) FROM generate_series(1, 100000) AS i WHERE i IN ({marks})", numbers
        ).fetchone()
        (by_array,) = connection.execute(
            "SELECT count(*) FROM generate_series(1, 100000) AS i WHERE i = ANY(%s)", (numbers,)
        ).fetchone()
    return [len(literal), by_text, by_parameters, by_array]


def client_encodings(way):
    seen = []
    for encoding, text in (("LATIN1", "Grüße"), ("SJIS", "日本語テスト"), ("WIN1251", "Привет"), ("UTF8", "Grüße 日本 🦀")):
        with connect(way, client_encoding=encoding) as connection:
            length, octets, back = connection.execute(
                "SELECT char_length(%(t)s), octet_length(%(t)s), upper(%(t)s)", {"t": text}
            ).fetchone()
            seen.append([encoding, length, octets, back])
    return seen


def large_rows(way):
    blob = noise((64 if way["long"] else 8) << 20)
    with connect(way) as connection:
        connection.execute("CREATE TABLE blobs (id int, content bytea)")
        # Binary both ways: as many bytes on the wire.
        connection.execute("INSERT INTO blobs VALUES (1, %b)", (blob,))
        (there,) = connection.execute("SELECT encode(sha256(content), 'hex') FROM blobs").fetchone()
        (back,) = connection.execute("SELECT content FROM blobs", binary=True).fetchone()
        (text,) = connection.execute("SELECT encode(content, 'base64') FROM blobs").fetchone()
        connection.rollback()
    return [there, digest([back]), digest([text.encode()])]


def binary_results(way):
    query = """SELECT i, i::bigint, i::float8, i::numeric / 3, md5(i::text)::uuid, now() - now(), ARRAY[i, i * 2],
                      ('{"a": ' || i || '}')::jsonb, decode(md5(i::text), 'hex')
               FROM generate_series(1, 5000) AS i"""
    with connect(way) as connection:
        binary = connection.execute(query, binary=True).fetchall()
        text = connection.execute(query).fetchall()
    return [digest(repr(row).encode() for row in binary), binary == text]


def copy_in_and_out(way):
    with connect(way) as connection:
        connection.execute("CREATE TABLE copied (i int, t text)")
        with connection.cursor() as cursor:
            with cursor.copy("COPY copied FROM STDIN") as copy:
                for i in range(20000):
                    copy.write_row((i, f"row {i}\t\\ with\nodd characters"))
            with cursor.copy("COPY copied TO STDOUT (FORMAT binary)") as copy:
                binary = digest(bytes(chunk) for chunk in copy)
            # A copy that the client gives up, and one that the server does.
            states = []
            for lines in (None, "not a number\tx\n"):
                try:
                    with connection.transaction(), cursor.copy("COPY copied FROM STDIN") as copy:
                        copy.write("1\tx\n")
                        if lines is None:
                            raise KeyError
                        copy.write(lines)
                except KeyError:
                    states.append("given up")
                except psycopg.Error as error:
                    states.append(error.sqlstate)
            (count,) = cursor.execute("SELECT count(*) FROM copied").fetchone()
        old = psycopg2.connect(**words(way))
        out = io.StringIO()
        old.cursor().copy_expert("COPY (SELECT i FROM generate_series(1, 10000) AS i) TO STDOUT", out)
        old.close()
        connection.rollback()
    return [binary, states, count, digest([out.getvalue().encode()])]


def notices_and_errors(way):
    said = []
    with connect(way, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append([notice.severity, notice.message_primary]))
        connection.execute("DO $$ BEGIN FOR i IN 1..200 LOOP RAISE NOTICE 'notice %', i; END LOOP; END $$")
        try:
            connection.execute("SELECT 1 / 0")
        except psycopg.Error as error:
            said.append([error.sqlstate, str(error)])
        connection.execute("SET application_name = 'other'")
        said.append([connection.info.parameter_status("application_name")])
    return said


def functions_and_large_objects(way):
    with connect(way) as connection:
        connection.execute("CREATE FUNCTION many(n int) RETURNS SETOF int LANGUAGE sql AS 'SELECT generate_series(1, n)'")
        (total,) = connection.execute("SELECT sum(i) FROM many(1000) AS i").fetchone()
        connection.execute(
            "CREATE PROCEDURE twice(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n * 2; END $$"
        )
        (doubled,) = connection.execute("CALL twice(21)").fetchone()
        connection.rollback()
    # libpq's fast path calls: FunctionCall messages.
    old = psycopg2.connect(**words(way))
    large = old.lobject(0, "wb")
    written = noise(3 * 1024 * 1024)
    large.write(written)
    large.close()
    back = old.lobject(large.oid, "rb").read()
    old.rollback()
    old.close()
    return [int(total), doubled, digest([back])]


run(globals())
