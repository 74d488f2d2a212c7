import postgres from 'postgres';
import { converse } from './program.js';

await converse(async ({ host, port, user, password, database, caText, direct }) => {
  const sql = postgres({
    ...{ host, port, user, password, database },
    max: 1,
    ssl: { ca: caText },
    // An option that its types have forgotten.
    ...({ sslnegotiation: direct ? 'direct' : null } as object),
  });
  try {
    const [name] = await sql<[{ name: string }]>`SELECT current_database() AS name`;
    const [doubled] = await sql<[{ n: number }]>`SELECT ${21}::int * 2 AS n`;
    const many = await sql<{ i: number }[]>`SELECT i FROM generate_series(1, 5000) AS i`;
    return { database: name.name, doubled: doubled.n, sum: many.reduce((sum, { i }) => sum + i, 0) };
  } finally {
    await sql.end();
  }
});
