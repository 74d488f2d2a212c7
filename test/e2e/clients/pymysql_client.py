import pymysql
from program import converse


def ask(login):
    connection = pymysql.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=login["database"],
        ssl_ca=login["ca"],
        ssl_verify_cert=True,
        ssl_verify_identity=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT database()")
        (database,) = cursor.fetchone()
        cursor.execute("SELECT %s * 2", (21,))
        (doubled,) = cursor.fetchone()
        cursor.execute("SELECT seq FROM seq_1_to_5000")
        return database, doubled, sum(i for (i,) in cursor.fetchall())


converse(ask)
