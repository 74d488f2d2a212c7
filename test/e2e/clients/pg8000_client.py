import ssl

import pg8000.dbapi
from program import converse


def ask(login):
    connection = pg8000.dbapi.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=login["database"],
        ssl_context=ssl.create_default_context(cafile=login["ca"]),
    )
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT current_database()")
        (database,) = cursor.fetchone()
        cursor.execute("SELECT %s::int * 2", (21,))
        (doubled,) = cursor.fetchone()
        cursor.execute("SELECT i FROM generate_series(1, 5000) AS i")
        return database, doubled, sum(i for (i,) in cursor.fetchall())
    finally:
        connection.close()


converse(ask)
