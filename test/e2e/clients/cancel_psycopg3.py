"""Stops its own statement from another thread: "cancel" as libpq did before 17, "cancel_safe" over TLS."""

import json
import sys
import threading

import psycopg

login = json.load(sys.stdin)
with psycopg.connect(
    host=login["host"],
    port=login["port"],
    user=login["user"],
    password=login["password"],
    dbname=login["database"],
    sslmode="verify-full",
    sslrootcert=login["ca"],
) as connection:
    cancel = getattr(connection, login["how"])
    threading.Timer(0.3, cancel).start()
    try:
        connection.execute("SELECT pg_sleep(60)")
        told = {"code": None, "message": "it went on"}
    except psycopg.Error as error:
        told = {"code": error.sqlstate, "message": str(error)}
json.dump(told, sys.stdout)
