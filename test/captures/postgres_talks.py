"""What record.ts records of Postgres clients: NAME HOST PORT. Says `rests` where the server is to be asked what it sees."""

import asyncio
import os
import sys

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
from psycopg import pq

name, host, port = sys.argv[1:]
login = {"host": host, "port": int(port), "user": "ann", "password": os.environ["PASSWORD"]}
libpq = {**login, "dbname": "talk", "sslmode": "disable", "gssencmode": "disable"}


def rests():
    print("rests", flush=True)
    sys.stdin.readline()


def results(connection):
    """Of all that was sent and synced."""
    connection.flush()
    statuses = []
    while True:
        result = connection.get_result()
        if result is None:
            continue
        statuses.append(result.status)
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return statuses


def pipeline_errors():
    """psycopg 3's libpq 18: an error in the middle of several Syncs, within and outside a transaction."""
    connection = psycopg.connect(**libpq, autocommit=True).pgconn
    connection.exec_(b"CREATE TABLE t (n int)")
    connection.enter_pipeline_mode()
    skipped = 0
    batches = [
        [b"INSERT INTO t VALUES (1)", b"SELECT 1 / (n - n) FROM t", b"INSERT INTO t VALUES (2)", b"SELECT 3"],
        [b"INSERT INTO t VALUES (4)", b"SELECT n FROM t"],
        [b"BEGIN", b"INSERT INTO t VALUES (5)"],
        [b"INSERT INTO t VALUES (6)", b"SELECT 1 / (n - n) FROM t", b"SELECT 7"],
        [b"ROLLBACK"],
        [],
    ]
    for together in (True, False):
        for at, batch in enumerate(batches):
            for statement in batch:
                connection.send_query_params(statement, [])
            connection.pipeline_sync()
            if not together:
                skipped += results(connection).count(pq.ExecStatus.PIPELINE_ABORTED)
                rests()
        if together:
            for _ in batches:
                skipped += results(connection).count(pq.ExecStatus.PIPELINE_ABORTED)
            rests()
    connection.finish()
    print("skipped", skipped)


def copy():
    """psycopg 3: in, out, broken off by the client, refused by the server; by Query."""
    with psycopg.connect(**libpq, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (n int, s text)")
        cursor = connection.cursor()
        with cursor.copy("COPY t FROM STDIN") as into:
            for n in range(3):
                into.write_row((n, "Sync S Z" * n))
        rests()
        with cursor.copy("COPY t TO STDOUT") as out:
            list(out)
        rests()
        for fail in (lambda into: 1 / 0, lambda into: into.write("no number\n")):
            try:
                with cursor.copy("COPY t (n) FROM STDIN") as into:
                    into.write("7\n")
                    fail(into)
            except (ZeroDivisionError, psycopg.DataError):
                pass
            rests()
        with connection.transaction():
            with cursor.copy("COPY t (n) FROM STDIN") as into:
                into.write("8\n")
            rests()
        rests()


def copy_extended():
    """libpq 18: COPY by Parse, Bind, Execute, Sync; the server drops that Sync and answers the one behind the copy's end."""
    connection = psycopg.connect(**libpq, autocommit=True).pgconn
    connection.exec_(b"CREATE TABLE t (n int)")
    for end, data in ((None, b"1\n2\n"), (b"broken off", b"3\n"), (None, b"no number\n"), (None, b"4\n")):
        connection.send_query_params(b"COPY t FROM STDIN", [])
        connection.flush()
        assert connection.get_result().status == pq.ExecStatus.COPY_IN
        connection.put_copy_data(data)
        connection.put_copy_end(end)
        connection.flush()
        while connection.get_result():
            pass
        rests()
    connection.send_query_params(b"COPY t TO STDOUT", [])
    connection.flush()
    assert connection.get_result().status == pq.ExecStatus.COPY_OUT
    while connection.get_copy_data(0)[0] > 0:
        pass
    while connection.get_result():
        pass
    rests()
    connection.finish()


async def portals():
    """asyncpg: Execute with a row limit, so PortalSuspended, and other statements in between."""
    connection = await asyncpg.connect(**login, database="talk", ssl=False)
    async with connection.transaction():
        cursor = await connection.cursor("SELECT n, 'PortalSuspended' FROM generate_series(1, 7) AS n")
        for portion in (1, 2):
            await cursor.fetch(portion)
            rests()
        await connection.fetch("SELECT 1")
        await cursor.forward(1)
        await cursor.fetch(9)
        rests()
    rests()
    prepared = await connection.prepare("SELECT $1::int + n FROM generate_series(1, 3) AS n")
    await prepared.fetchrow(1)
    await prepared.fetch(2)
    await prepared.executemany([(1,), (2,), (3,)])
    rests()
    await connection.close()


def functions():
    """psycopg 2's libpq: large objects, which it reads and writes by FunctionCall."""
    connection = psycopg2.connect(**libpq)
    large = connection.lobject(0, "wb")
    large.write(b"Z" * 50)
    rests()
    large.seek(10)
    large.close()
    connection.commit()
    rests()
    large = connection.lobject(large.oid, "rb")
    large.read()
    try:
        large.write(b"read only")
    except psycopg2.Error:
        rests()
    connection.rollback()
    rests()
    connection.close()


def replication():
    """psycopg 2: a logical slot, what it says, and the end of it."""
    factory = psycopg2.extras.LogicalReplicationConnection
    connection = psycopg2.connect(**libpq, connection_factory=factory)
    cursor = connection.cursor()
    cursor.execute("IDENTIFY_SYSTEM")
    rests()
    cursor.execute("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
    rests()
    options = {"proto_version": "1", "publication_names": "none"}
    cursor.start_replication(slot_name="s", options=options, decode=False)
    cursor.send_feedback(force=True, reply=True)
    for _ in range(3):
        cursor.read_message()
    rests()
    connection.close()
    # IDENTIFY_SYSTEM, for the server; it is answered like any other.
    print("untransacted", 1)


run = globals()[name.replace("-", "_")]
asyncio.run(run()) if asyncio.iscoroutinefunction(run) else run()
