"""A statement with a time-out of the driver's own: it cancels, and the session goes on."""

import asyncio
import json
import ssl
import sys

import asyncpg


async def main():
    login = json.load(sys.stdin)
    connection = await asyncpg.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=login["database"],
        ssl=ssl.create_default_context(cafile=login["ca"]),
    )
    try:
        await connection.fetch("SELECT pg_sleep(60)", timeout=0.3)
        told = {"code": None, "message": "it went on"}
    except asyncio.TimeoutError:
        # asyncpg waits here until the server is done with the statement.
        told = {"code": "57014", "message": str(await connection.fetchval("SELECT 42"))}
    await connection.close()
    json.dump(told, sys.stdout)


asyncio.run(main())
