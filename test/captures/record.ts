/**
 * Records what real clients and real servers say to each other, in clear and without anything in between but this
 * relay, as talks for filters/core/tests/talks.rs. Not a test: run it to have a talk again or a new one.
 *
 *   node --import tsx test/captures/record.ts [NAME...]       those whose file names begin so, or all
 *
 * Needs what `make test-mysql` has set up. What a server counts goes into the talk beside the bytes.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { stopEverything } from '../harness/ending.js';
import { MariaDb } from '../harness/mariadb.js';
import { MySql } from '../harness/mysql.js';
import { ownAddress, ownPort } from '../harness/own-address.js';
import { Postgres } from '../harness/postgres.js';
import { scratchFolder } from '../harness/scratch.js';
import { waitUntil } from '../harness/wait-until.js';

const here = import.meta.dirname;
const talks = path.resolve(here, '../../filters/core/tests/captures/talks');
const python = path.resolve(here, '../../build/venv/bin/python');

/** The account of every talk, and the database, which is new for each. */
const account = 'ann';
const password = 'secret';
const database = 'talk';

/** A server, as far as a talk needs it. */
interface Server {
  readonly host: string;
  readonly port: number;
  /** A database with nothing in it. */
  prepare(): Promise<void>;
  /** What the one session does while it waits for its client: `idle`, `transaction`, `failed`, `active`. */
  state(): Promise<string>;
  /** What it has counted by itself, once the session is gone: `transactions 3`. */
  counts(): Promise<readonly string[]>;
}

/** Its program is given host, port and the talk's name; it says `rests` where it waits, and what it knows of counts. */
interface Talk {
  readonly name: string;
  readonly command: readonly string[];
  readonly server: Server;
}

async function record({ name, command, server }: Talk): Promise<void> {
  await server.prepare();
  const lines: string[] = [];
  const port = await ownPort();
  const relay = net.createServer((client) => {
    const upstream = net.connect(server.port, server.host);
    const pass = (from: net.Socket, to: net.Socket, who: string): void => {
      from.on('data', (bytes) => {
        const hex = bytes.toString('hex');
        // What arrives at once or a moment later is one turn; the tests cut it everywhere.
        if (lines.at(-1)?.startsWith(`${who} `)) lines.push(`${lines.pop()}${hex}`);
        else lines.push(`${who} ${hex}`);
        to.write(bytes);
      });
      from.on('end', () => to.end()).on('error', () => to.destroy());
    };
    pass(client, upstream, 'client');
    pass(upstream, client, 'server');
  });
  await new Promise<void>((resolve) => relay.listen(port, ownAddress, resolve));
  const [program = '', ...args] = command;
  const child = spawn(program, [...args, ownAddress, String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, PASSWORD: password },
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const said: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    if (line !== 'rests') {
      said.push(line);
      continue;
    }
    lines.push(`rests ${await server.state()}`);
    child.stdin.write('\n');
  }
  const code = await ended;
  if (code !== 0) throw new Error(`expected ${name} to end well, found ${code}`);
  relay.close();
  const counts = [...(await server.counts()), ...said];
  writeFileSync(path.join(talks, `${name}.talk`), `${[...lines, ...counts].join('\n')}\n`);
  process.stdout.write(`${name}: ${counts.join(', ')}\n`);
}

async function postgres(version: 'debian' | '18'): Promise<Server> {
  const server = await Postgres.start({
    version,
    accounts: [{ name: account, password }],
    settings: {
      log_statement: 'all',
      log_replication_commands: 'on',
      wal_level: 'logical',
      max_wal_senders: 2,
    },
  });
  await server.query(`ALTER ROLE ${account} REPLICATION`);
  let logged = 0;
  const gone = async () => {
    const rows = await server.query('SELECT FROM pg_stat_activity WHERE datname = $1', [database]);
    return rows.length === 0;
  };
  return {
    host: server.host,
    port: server.port,
    prepare: async () => {
      await server.query(`DROP DATABASE IF EXISTS ${database}`);
      await server.query(`CREATE DATABASE ${database} OWNER ${account}`);
      logged = server.log.length;
    },
    state: async () => {
      const [row] = await server.query<{ state: string }>(
        'SELECT state FROM pg_stat_activity WHERE datname = $1',
        [database],
      );
      const words: Record<string, string> = {
        'idle in transaction': 'transaction',
        'idle in transaction (aborted)': 'failed',
      };
      return words[row!.state] ?? row!.state;
    },
    counts: async () => {
      await waitUntil('the session is gone', gone);
      const [row] = await server.query<{ n: string }>(
        'SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = $1',
        [database],
      );
      const log = server.log.slice(logged).split('\n');
      const ofTalk = (like: RegExp) =>
        log.filter((line) => line.includes(`@${database} `) && like.test(line)).length;
      return [
        // The beginning of a session is one.
        `transactions ${Number(row!.n) - 1}`,
        `queries ${ofTalk(/ LOG: {2}(statement|execute|fastpath|received replication command)/)}`,
        `errors ${ofTalk(/ ERROR: {2}/)}`,
      ];
    },
  };
}

function mysql(server: MariaDb | MySql): Server {
  return {
    host: server.host,
    port: server.port,
    prepare: async () => {
      await server.query(`DROP DATABASE IF EXISTS ${database}`);
      await server.query(`CREATE DATABASE ${database}`);
    },
    state: async () => {
      // What the server shows here is up to 100 ms old.
      await pause(200);
      const [row] = await server.query<{ n: number | string }>(
        `SELECT count(*) AS n FROM information_schema.innodb_trx
         WHERE trx_mysql_thread_id = (SELECT id FROM information_schema.processlist WHERE user = '${account}')`,
      );
      return Number(row!.n) > 0 ? 'transaction' : 'idle';
    },
    // Its session is asked for these by its client.
    counts: async () => [],
  };
}

function compiled(source: string): string {
  const program = path.join(scratchFolder('talks'), 'talks');
  execFileSync('cc', ['-o', program, path.join(here, source), '-I/usr/include/mariadb', '-lmariadb']);
  return program;
}

const wanted = process.argv.slice(2);

async function recordAll(
  server: Server,
  version: string,
  command: readonly string[],
  names: readonly string[],
) {
  for (const name of names.map((each) => `${each}-${version}`))
    if (wanted.length === 0 || wanted.some((start) => name.startsWith(start)))
      await record({
        name,
        command: [...command, name.slice(name.indexOf('-') + 1, -version.length - 1)],
        server,
      });
}

mkdirSync(talks, { recursive: true });
try {
  const ofPostgres = ['pipeline-errors', 'copy', 'copy-extended', 'portals', 'functions', 'replication'];
  for (const [version, given] of [
    ['15', 'debian'],
    ['18', '18'],
  ] as const) {
    const command = [python, path.join(here, 'postgres_talks.py')];
    await recordAll(
      await postgres(given),
      version,
      command,
      ofPostgres.map((name) => `postgres-${name}`),
    );
  }
  const ofMysql = { databases: [database], settings: { 'local-infile': 1 } };
  const mariadb = mysql(await MariaDb.start({ ...ofMysql, accounts: [{ name: account, password }] }));
  const real = mysql(
    await MySql.start({
      ...ofMysql,
      accounts: [{ name: account, password, plugin: 'mysql_native_password' }],
    }),
  );
  const inPython = [python, path.join(here, 'mysql_talks.py')];
  const inC = [compiled('mysql_talks.c')];
  const inJava = [
    'java',
    '-cp',
    path.resolve(here, '../../build/clients/java/*'),
    path.join(here, 'MysqlTalks.java'),
  ];
  for (const [server, version] of [
    [mariadb, 'mariadb-10.11'],
    [real, 'mysql-8.0'],
  ] as const) {
    await recordAll(server, version, inPython, ['mysql-file', 'mysql-statements', 'mysql-procedure']);
    await recordAll(server, version, inC, ['mysql-cursor', 'mysql-prepared-procedure']);
    await recordAll(server, version, inJava, ['mysql-connector-j']);
  }
  await recordAll(mariadb, 'mariadb-10.11', inC, ['mysql-bulk']);
} finally {
  await stopEverything();
}
