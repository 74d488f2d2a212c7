"""Runs a client written in Python: logins in, what each was told out; a driver's error is an answer too."""

import json
import sys


def converse(ask):
    """ask(login) returns (database, doubled, sum); see conversation.ts."""
    json.dump([told_by(ask, login) for login in json.load(sys.stdin)], sys.stdout)


def told_by(ask, login):
    try:
        database, doubled, total = ask(login)
        return {"database": database, "doubled": int(doubled), "sum": int(total)}
    except Exception as error:
        return {"code": code_of(error), "message": str(error)}


def code_of(error):
    """SQLSTATE of the Postgres drivers, errno of the MySQL ones, which may have both."""
    if isinstance(error, OSError):
        return ""
    errno = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    if isinstance(errno, dict):  # pg8000: the fields of the ErrorResponse
        return errno.get("C", "")
    return errno if isinstance(errno, int) else getattr(error, "sqlstate", None) or ""
