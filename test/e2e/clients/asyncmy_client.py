import asyncio
import ssl

import asyncmy
from program import converse


async def conversation(login):
    connection = await asyncmy.connect(
        host=login["host"],
        port=login["port"],
        user=login["user"],
        password=login["password"],
        db=login["database"],
        ssl=ssl.create_default_context(cafile=login["ca"]),
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT database()")
            (database,) = await cursor.fetchone()
            await cursor.execute("SELECT %s * 2", (21,))
            (doubled,) = await cursor.fetchone()
            await cursor.execute("SELECT seq FROM seq_1_to_5000")
            rows = await cursor.fetchall()
            return database, doubled, sum(i for (i,) in rows)
    finally:
        connection.close()


converse(lambda login: asyncio.run(conversation(login)))
