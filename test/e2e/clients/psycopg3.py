import psycopg
from program import converse


def ask(login):
    with psycopg.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        dbname=login["database"],
        sslmode="verify-full",
        sslrootcert=login["ca"],
        sslnegotiation="direct" if login.get("direct") else "postgres",
    ) as connection:
        (database,) = connection.execute("SELECT current_database()").fetchone()
        (doubled,) = connection.execute("SELECT %s::int * 2", (21,)).fetchone()
        rows = connection.execute("SELECT i FROM generate_series(1, 5000) AS i").fetchall()
        return database, doubled, sum(i for (i,) in rows)


converse(ask)
