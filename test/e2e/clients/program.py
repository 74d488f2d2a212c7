"""Runs a client written in Python: one login in, what it was told out; a driver's error is an answer too."""

import json
import sys


def converse(ask):
    """ask(login) returns (database, doubled, sum); see conversation.ts."""
    login = json.load(sys.stdin)
    try:
        database, doubled, total = ask(login)
        told = {"database": database, "doubled": int(doubled), "sum": int(total)}
    except Exception as error:
        told = {"code": code_of(error), "message": str(error)}
    json.dump(told, sys.stdout)


def code_of(error):
    """SQLSTATE of the Postgres drivers, errno of the MySQL ones, which may have both."""
    if isinstance(error, OSError):
        return ""
    errno = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    return errno if isinstance(errno, int) else getattr(error, "sqlstate", None) or ""
