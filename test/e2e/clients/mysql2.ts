import mysql, { type RowDataPacket } from 'mysql2/promise';
import { converse } from './program.js';

await converse(async ({ host, port, user, password, database, caText }) => {
  const client = await mysql.createConnection({
    ...{ host, port, user, password, database },
    ssl: { ca: caText, verifyIdentity: true },
  });
  try {
    const [[name]] = await client.query<RowDataPacket[]>('SELECT database() AS name');
    const [[doubled]] = await client.execute<RowDataPacket[]>('SELECT CAST(? AS SIGNED) * 2 AS n', [21]);
    const [many] = await client.query<RowDataPacket[]>('SELECT seq AS i FROM seq_1_to_5000');
    return {
      database: name!.name,
      doubled: Number(doubled!.n),
      sum: many.reduce((sum, { i }) => sum + i, 0),
    };
  } finally {
    await client.end();
  }
});
