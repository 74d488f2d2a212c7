import pg from 'pg';
import { converse } from './program.js';

await converse(async ({ host, port, user, password, database, caText, direct }) => {
  const client = new pg.Client({
    ...{ host, port, user, password, database },
    ssl: { ca: caText },
    sslnegotiation: direct ? 'direct' : 'postgres',
  });
  await client.connect();
  try {
    const name = await client.query<{ name: string }>('SELECT current_database() AS name');
    const doubled = await client.query<{ n: number }>('SELECT $1::int * 2 AS n', [21]);
    const many = await client.query<{ i: number }>('SELECT i FROM generate_series(1, 5000) AS i');
    return {
      database: name.rows[0]!.name,
      doubled: doubled.rows[0]!.n,
      sum: many.rows.reduce((sum, { i }) => sum + i, 0),
    };
  } finally {
    await client.end();
  }
});
