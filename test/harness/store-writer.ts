/**
 * One of several who change a store at the same time: adds one to the number in it, so many times, and says each that the
 * store has accepted. A program: `store-writer.ts STORE TIMES`.
 */
import { writeSync } from 'node:fs';
import { parseStoreAddress } from '../../xds-server/pure/store/store-address.js';
import { openStore } from '../../xds-server/shells/store/open-store.js';

const [text, times] = process.argv.slice(2);
const address = parseStoreAddress(text!);
if (typeof address === 'string') throw new Error(address);
const store = openStore({ address, etcdTls: undefined, etcdPrefix: '/sluice' });

for (let left = Number(times); left > 0; ) {
  const stored = await store.read().catch(() => 'not now' as const);
  if (stored === 'not now') continue;
  const next = stored ? Number(Buffer.from(stored.bytes).toString()) + 1 : 1;
  // Long, so that half of one would be seen.
  const written = await store.write(Buffer.from(String(next).padStart(5000, '0')), stored?.revision ?? 0);
  if (written.kind === 'conflict') continue;
  left -= 1;
  writeSync(1, `${written.revision} ${next}\n`);
}
store.close();
