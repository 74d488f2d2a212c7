"""Logs in, does nothing until the server's side speaks, asks again; prints what the driver was told. One driver a run."""

import json
import select
import socket
import sys

from program import code_of


def pymysql_(login):
    import pymysql

    connection = pymysql.connect(**mysql_login(login), ssl_ca=login["ca"])
    return connection, lambda: connection.cursor().execute("SELECT 1")


def connector(login):
    import mysql.connector

    connection = mysql.connector.connect(**mysql_login(login), ssl_ca=login["ca"], use_pure=True)

    def ask():
        connection.cursor().execute("SELECT 1")

    return connection, ask


def mysqlclient(login):
    import MySQLdb

    connection = MySQLdb.connect(**mysql_login(login), ssl={"ca": login["ca"]})
    return connection, lambda: connection.query("SELECT 1")


def psycopg3(login):
    import psycopg

    connection = psycopg.connect(**postgres_login(login), autocommit=True)
    return connection, lambda: connection.execute("SELECT 1")


def psycopg2_(login):
    import psycopg2

    connection = psycopg2.connect(**postgres_login(login))
    connection.autocommit = True
    return connection, lambda: connection.cursor().execute("SELECT 1")


def pg8000_(login):
    import ssl

    import pg8000.dbapi

    names = {name: login[name] for name in ("host", "port", "user", "password", "database")}
    connection = pg8000.dbapi.connect(**names, ssl_context=ssl.create_default_context(cafile=login["ca"]))
    return connection, lambda: connection.cursor().execute("SELECT 1")


def mysql_login(login):
    return {name: login[name] for name in ("host", "port", "user", "password", "database")}


def postgres_login(login):
    return {
        "host": login["host"],
        "port": login["port"],
        "user": login["user"],
        "password": login["password"],
        "dbname": login["database"],
        "sslmode": "verify-full",
        "sslrootcert": login["ca"],
    }


drivers = {
    "PyMySQL": pymysql_,
    "mysql-connector-python": connector,
    "mysqlclient": mysqlclient,
    "psycopg 3": psycopg3,
    "psycopg 2": psycopg2_,
    "pg8000": pg8000_,
}


def sockets():
    """The process has opened one: its driver's, whichever place that keeps it in."""
    found = []
    for fd in range(3, 64):
        try:
            duplicate = socket.socket(fileno=fd)
        except OSError:
            continue
        if duplicate.type == socket.SOCK_STREAM and duplicate.family == socket.AF_INET:
            found.append(fd)
        duplicate.detach()
    return found


def outlived(driver, login):
    connection, ask = drivers[driver](login)
    ask_again = ask
    select.select(sockets(), [], [], 30)
    try:
        ask_again()
        return {"message": ""}
    except Exception as error:
        return {"code": code_of(error), "message": str(error)}


driver, login = json.load(sys.stdin)
json.dump(outlived(driver, login), sys.stdout)
