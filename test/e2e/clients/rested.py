"""A session that rests until it is told to go on: DRIVER in the arguments, its login in the first line. Says `rests`, waits for
a line, asks, and prints the error that the driver makes of it, null where it was answered."""

import asyncio
import json
import ssl
import sys

from program import code_of

driver = sys.argv[1]
login = json.loads(sys.stdin.readline())
host, port, user, password, database, ca = (login[k] for k in ("host", "port", "user", "password", "database", "ca"))


def rests():
    print("rests", flush=True)
    sys.stdin.readline()


def with_cursor(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.fetchall()
    if hasattr(connection, "commit"):
        connection.commit()
    rests()
    cursor.execute("SELECT 2")


def libpq(module):
    return module.connect(
        host=host, port=port, user=user, password=password, dbname=database, sslmode="verify-full", sslrootcert=ca
    )


def pg8000():
    import pg8000.dbapi

    context = ssl.create_default_context(cafile=ca)
    return pg8000.dbapi.connect(
        host=host, port=port, user=user, password=password, database=database, ssl_context=context
    )


async def with_asyncpg():
    import asyncpg

    context = ssl.create_default_context(cafile=ca)
    connection = await asyncpg.connect(
        host=host, port=port, user=user, password=password, database=database, ssl=context
    )
    await connection.fetch("SELECT 1")
    # It reads while it rests, and sees the end for itself.
    await asyncio.get_running_loop().run_in_executor(None, rests)
    while not connection.is_closed():
        await asyncio.sleep(0.01)
    await connection.fetch("SELECT 2")


async def with_asyncmy():
    import asyncmy

    context = ssl.create_default_context(cafile=ca)
    connection = await asyncmy.connect(host=host, port=port, user=user, password=password, database=database, ssl=context)
    async with connection.cursor() as cursor:
        await cursor.execute("SELECT 1")
        await connection.commit()
        rests()
        await cursor.execute("SELECT 2")


def pymysql():
    import pymysql

    return pymysql.connect(
        host=host, port=port, user=user, password=password, database=database, ssl=ssl.create_default_context(cafile=ca)
    )


def connector():
    import mysql.connector

    return mysql.connector.connect(
        host=host, port=port, user=user, password=password, database=database, ssl_ca=ca, use_pure=True
    )


def work():
    if driver in ("psycopg", "psycopg2"):
        with_cursor(libpq(__import__(driver)))
    elif driver == "pg8000":
        with_cursor(pg8000())
    elif driver == "asyncpg":
        asyncio.run(with_asyncpg())
    elif driver == "asyncmy":
        asyncio.run(with_asyncmy())
    elif driver == "PyMySQL":
        with_cursor(pymysql())
    else:
        with_cursor(connector())


try:
    work()
    print("null")
except Exception as error:
    code = code_of(error) or getattr(error, "pgcode", None) or ""
    print(json.dumps({"type": type(error).__name__, "code": code, "message": str(error)}))
