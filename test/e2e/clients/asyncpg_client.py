import asyncio
import ssl

import asyncpg
from program import converse


async def conversation(login):
    connection = await asyncpg.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        database=login["database"],
        ssl=ssl.create_default_context(cafile=login["ca"]),
        direct_tls=login.get("direct", False),
    )
    try:
        database = await connection.fetchval("SELECT current_database()")
        doubled = await connection.fetchval("SELECT $1::int * 2", 21)
        rows = await connection.fetch("SELECT i FROM generate_series(1, 5000) AS i")
        return database, doubled, sum(row["i"] for row in rows)
    finally:
        await connection.close()


converse(lambda login: asyncio.run(conversation(login)))
