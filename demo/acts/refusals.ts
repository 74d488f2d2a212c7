/** Who cannot be served is told so in his own protocol, with a reason; no connection to a database is opened for him. */
import pg from 'pg';
import { fateOf, postgresClient, postgresSession } from '../../test/e2e/sessions.js';
import { observer } from '../../test/harness/protected-database.js';
import { strangersHostname } from '../../test/harness/sluice.js';
import type { Finding, Stage } from '../stage.js';
import { account, type World } from '../world.js';

const timeoutMs = 800;
/** Of a busy machine, on top. */
const graceMs = 700;

interface Refused {
  readonly code: string;
  readonly message: string;
  readonly afterMs: number;
}

async function refusalOf(client: pg.Client): Promise<Refused> {
  const started = performance.now();
  try {
    await client.connect();
    await client.end();
    return { code: 'none', message: 'was let in', afterMs: performance.now() - started };
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    return { code, message, afterMs: performance.now() - started };
  }
}

export async function timeout({ sluice }: World, stage: Stage): Promise<Finding[]> {
  stage.act(`Nobody waits for longer than his service allows (here ${timeoutMs} ms)`);
  const login = { ...account, database: 'users' };
  const holder = await postgresSession(sluice, 'impatient', login);
  const { code, message, afterMs } = await refusalOf(postgresClient(sluice, 'impatient', login));
  await holder.end();
  stage.say(`   after ${Math.round(afterMs)} ms the client reads ${code}: ${message}`);
  return [
    {
      claim: 'a client whose time is up is told which limit and how long',
      seen: `SQLSTATE ${code} after ${Math.round(afterMs)} ms`,
      holds:
        code === '53300' &&
        /impatient/.test(message) &&
        afterMs > timeoutMs - 50 &&
        afterMs < timeoutMs + graceMs,
    },
  ];
}

export async function strangers({ orders, sluice }: World, stage: Stage): Promise<Finding[]> {
  stage.act('Strangers are refused, and the database never hears of them');
  const login = { ...account, database: 'orders' };
  const opened = () => orders.server.log.match(/connection received/g)?.length ?? 0;
  const before = opened();
  const plaintext = new pg.Client({ host: sluice.host, port: sluice.ports.pg, ...login, ssl: false });
  const attempts = [
    [
      'a name that nobody has',
      postgresClient(sluice, 'checkout', login, { hostname: strangersHostname }),
      '08004',
    ],
    ['a service that does not allow him', postgresClient(sluice, 'vault', login), '28000'],
    ['no TLS', plaintext, '28000'],
  ] as const;
  let asExpected = 0;
  for (const [who, client, expected] of attempts) {
    const { code, message } = await refusalOf(client);
    if (code === expected) asExpected += 1;
    stage.say(`   ${who}: ${code} ${message}`);
  }
  const since = opened() - before;
  const sessions = await orders.server.count(undefined, [observer]);
  const certificate = await sluice.certificates.client('spiffe://shop/vault');
  const proven = await fateOf(async () =>
    (await postgresSession(sluice, 'vault', login, { certificate })).end(),
  );
  stage.say(
    `   and who proves by certificate that he is spiffe://shop/vault: ${proven.served ? 'is let in' : proven.code}`,
  );
  return [
    {
      claim: 'strangers are refused in their own protocol',
      seen: `${asExpected} of ${attempts.length} with the expected SQLSTATE`,
      holds: asExpected === attempts.length,
    },
    {
      claim: 'no connection to the database is opened for them',
      seen: `${since} connections in its log, ${sessions} sessions in its list`,
      holds: since === 0 && sessions === 0,
    },
    {
      claim: 'a client is known by its certificate',
      seen: proven.served ? 'let in with it, refused without' : `refused: ${proven.code}`,
      holds: proven.served,
    },
  ];
}
