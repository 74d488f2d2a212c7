import psycopg2
from program import converse


def ask(login):
    connection = psycopg2.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        dbname=login["database"],
        sslmode="verify-full",
        sslrootcert=login["ca"],
        sslnegotiation="direct" if login.get("direct") else "postgres",
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            (database,) = cursor.fetchone()
            cursor.execute("SELECT %s::int * 2", (21,))
            (doubled,) = cursor.fetchone()
            cursor.execute("SELECT i FROM generate_series(1, 5000) AS i")
            return database, doubled, sum(i for (i,) in cursor.fetchall())
    finally:
        connection.close()


converse(ask)
