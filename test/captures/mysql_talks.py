"""What record.ts records of MySQL clients in Python: NAME HOST PORT. Says `rests` where the server is to be asked what it sees,
and in the end what the server has counted of this session, beside what the client knows."""

import os
import sys
import tempfile

import mysql.connector
import pymysql
from pymysql.constants import CLIENT

name, host, port = sys.argv[1:]
login = {"host": host, "port": int(port), "user": "ann", "password": os.environ["PASSWORD"], "database": "talk"}


def rests():
    print("rests", flush=True)
    sys.stdin.readline()


def tell(cursor, transactions, errors):
    cursor.execute("SHOW SESSION STATUS WHERE Variable_name IN ('Questions', 'Com_stmt_fetch')")
    counted = dict(cursor.fetchall())
    print("transactions", transactions + 1)
    print("questions", int(counted["Questions"]))
    print("fetches", int(counted["Com_stmt_fetch"]))
    print("errors", errors)


def file():
    """PyMySQL: files that are there, one that is not, one with a row that the server refuses, one within a transaction."""
    connection = pymysql.connect(**login, local_infile=True, autocommit=True, ssl_disabled=True)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (n INT PRIMARY KEY)")
    with tempfile.NamedTemporaryFile("w") as rows:
        rows.write("1\n2\n3\n")
        rows.flush()
        load = f"LOAD DATA LOCAL INFILE '{rows.name}' %s INTO TABLE t"
        cursor.execute(load % "")
        rests()
        try:
            cursor.execute("LOAD DATA LOCAL INFILE '/nowhere' INTO TABLE t")
        except pymysql.Error:
            rests()
        try:
            cursor.execute((load % "").replace("TABLE t", "TABLE t (nothing)"))
        except pymysql.Error:
            rests()
        connection.begin()
        cursor.execute(load % "REPLACE")
        rests()
        connection.commit()
        rests()
    # SET AUTOCOMMIT, CREATE, three files, a transaction of three statements; what the client does not find is an empty file.
    tell(cursor, 6, 1)
    connection.close()


def statements():
    """PyMySQL: several statements in one command, an error among them, a transaction that one opens and one that one ends."""
    options = {"client_flag": CLIENT.MULTI_STATEMENTS, "autocommit": True, "ssl_disabled": True}
    connection = pymysql.connect(**login, **options)
    cursor = connection.cursor()

    def all_of(text):
        cursor.execute(text)
        while cursor.nextset():
            pass

    all_of("CREATE TABLE t (n INT PRIMARY KEY); INSERT INTO t VALUES (1), (2); SELECT n FROM t; SELECT 'a', 'b' LIMIT 0")
    rests()
    try:
        all_of("SELECT 1; INSERT INTO t VALUES (1); SELECT 3")
    except pymysql.Error:
        rests()
    all_of("BEGIN; INSERT INTO t VALUES (3)")
    rests()
    all_of("SELECT n FROM t; COMMIT; SELECT 4")
    rests()
    # Statements that stand behind another one in its command, and were carried out.
    print("hidden", 3 + 1 + 1 + 2)
    tell(cursor, 4, 1)
    connection.close()


def procedure():
    """mysql-connector-python: procedures with several results, and what they give back."""
    connection = mysql.connector.connect(**login, use_pure=True, ssl_disabled=True, autocommit=True)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (n INT PRIMARY KEY)")
    cursor.execute(
        "CREATE PROCEDURE p(IN n INT, OUT doubled INT) BEGIN SELECT n; INSERT INTO t VALUES (n); SELECT n + 1, 'x' FROM t; "
        "SET doubled = n * 2; END"
    )
    sent = connection.cursor()
    # Two settings, two CREATEs, the connector's look at the SQL mode.
    transactions = 5
    for n in (1, 2):
        sent.callproc("p", (n, 0))
        rests()
    try:
        sent.callproc("p", (1, 0))
    except mysql.connector.Error:
        rests()
    # Each: SET of the arguments, CALL, a look at them; not the last where CALL has failed.
    transactions += 3 + 3 + 2
    connection.start_transaction()
    sent.callproc("p", (3, 0))
    rests()
    connection.commit()
    rests()
    transactions += 1
    plain = connection.cursor()
    tell(plain, transactions, 1)
    connection.close()


globals()[name.replace("-", "_")]()
