"""A session stops another one's statement by the id that the driver shows: "connection.thread_id()" of its greeting."""

import json
import ssl
import sys
import threading

import pymysql

login = json.load(sys.stdin)


def connect():
    return pymysql.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=login["database"],
        ssl=ssl.create_default_context(cafile=login["ca"]),
    )


sleeper, killer = connect(), connect()


def kill():
    with killer.cursor() as cursor:
        cursor.execute("KILL QUERY %d" % sleeper.thread_id())


threading.Timer(0.3, kill).start()
try:
    with sleeper.cursor() as cursor:
        cursor.execute("SELECT SLEEP(60)")
        told = {"code": None, "message": str(cursor.fetchone())}
except pymysql.err.MySQLError as error:
    told = {"code": error.args[0], "message": str(error)}
json.dump(told, sys.stdout)
