import mysql.connector
from program import converse


def ask(login):
    connection = mysql.connector.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=login["database"],
        ssl_ca=login["ca"],
        ssl_verify_cert=True,
        ssl_verify_identity=True,
    )
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT database()")
        (database,) = cursor.fetchone()
        cursor.execute("SELECT CAST(%s AS SIGNED) * 2", (21,))
        (doubled,) = cursor.fetchone()
        cursor.execute("SELECT seq FROM seq_1_to_5000")
        return database, doubled, sum(i for (i,) in cursor.fetchall())
    finally:
        connection.close()


converse(ask)
