import MySQLdb
from program import converse


def ask(login):
    connection = MySQLdb.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=login["database"],
        ssl_mode="VERIFY_IDENTITY",
        ssl={"ca": login["ca"]},
    )
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT database()")
        ((database,),) = cursor.fetchall()
        cursor.execute("SELECT %s * 2", (21,))
        ((doubled,),) = cursor.fetchall()
        cursor.execute("SELECT seq FROM seq_1_to_5000")
        return database, doubled, sum(i for (i,) in cursor.fetchall())
    finally:
        connection.close()


converse(ask)
