import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';

/** Postgres as it lists nobody before his login, and as it does (18). */
export async function olderAndNewer(
  options: Parameters<typeof protectedPostgres>[1],
): Promise<Readonly<Record<'older' | 'newer', Protected<Postgres>>>> {
  const [older, newer] = await Promise.all([
    protectedPostgres('older', options),
    protectedPostgres('newer', { ...options, version: '18' }),
  ]);
  return { older, newer };
}
