/** What the database itself says of the budget: its own log and statistics, which miss nothing. */
import { MariaDb } from '../harness/mariadb.js';
import type { AnyServer } from './ground.js';

/** @returns how often, or by how many, it was asked for more than it has; undefined: never yet */
export async function saidTooMany(server: AnyServer): Promise<string | undefined> {
  if (!(server instanceof MariaDb))
    return server.hasSaidTooMany ? 'the database has said "too many"' : undefined;
  const rows = await server.query<{ Variable_name: string; Value: string }>(
    `SHOW GLOBAL STATUS WHERE Variable_name IN ('Max_used_connections', 'Connection_errors_max_connections')`,
  );
  const status = new Map(rows.map(({ Variable_name, Value }) => [Variable_name, Number(Value)]));
  const [row] = await server.query<{ most: number }>('SELECT @@GLOBAL.max_connections AS most');
  const used = status.get('Max_used_connections')!;
  const refused = status.get('Connection_errors_max_connections')!;
  // One more than there is room for is let in far enough to see whether it is root.
  if (used <= Number(row!.most) && refused === 0) return undefined;
  return `the database has had ${used} of ${row!.most} connections and refused ${refused}`;
}
