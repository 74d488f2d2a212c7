/** What the filters' targets begin with: the captures of real traffic, in the form that each target reads. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { top } from './target.js';

const captures = path.join(top, 'filters/core/tests/captures');

export function seedsOf(target: string): Buffer[] {
  const single = (messages[target] ?? []).flatMap(([prefix, like]) => captured(prefix, like));
  const sessions = (talks[target]?.() ?? []).filter(({ length }) => length <= maxTalkBytes);
  return [...single, ...(conversations[target] ?? []), ...(hostile[target] ?? []), ...sessions];
}

/** The fuzzer makes no longer ones, and what it makes of a long one is slow and teaches little. */
const maxTalkBytes = 2_048;

/** For each target the captures to begin with, behind the bytes that say how an input is cut: `00` is "not at all". */
const messages: Record<string, readonly (readonly [prefix: string, like: RegExp])[]> = {
  'postgres-negotiation': [['0000', /^postgres\/.*opening/]],
  'postgres-startup': [['', /^postgres\/.*first/]],
  'postgres-login': [['00', /^postgres\/.*server/]],
  'postgres-proof': [['00', /^postgres\/login-wrong.*server/]],
  'mysql-negotiation': [['0000', /^mysql\/.*opening/]],
  'mysql-response': [['', /^mysql\/.*first/]],
  'mysql-greeting': [['', /^mysql\/.*greeting/]],
  'mysql-commands': [['00000000ffff', /^mysql\/.*client/]],
  'mysql-change-user': [['0000080000016d', /^mysql\/change-user.*client/]],
};

/** The form of a conversation's steps: `filters/fuzz/src/pieces.rs`. */
const actors = { client: 0x00, server: 0x40, other: 0xc0 } as const;
type Said = readonly [actor: keyof typeof actors, bytes: Uint8Array];

function conversation(head: readonly number[], said: readonly Said[]): Buffer {
  const steps = said.flatMap(([actor, bytes]) => {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 62) {
      const piece = bytes.subarray(at, at + 62);
      pieces.push(Buffer.from([actors[actor] | piece.length]), piece);
    }
    return pieces;
  });
  return Buffer.concat([Buffer.from(head), ...steps]);
}

const capture = (name: string): Buffer => readFileSync(path.join(captures, name));
const grant: Said = ['other', Buffer.from([0])];
const grantWithTls: Said = ['other', Buffer.from([3])];
const yes = Buffer.from('S');
const nothing = Buffer.alloc(0);
/** A client of `mysql-login` that took nothing but what it must: what was offered, what was taken. */
const anybody = Array.from({ length: 10 }, () => 0);
const logins = [
  'login-native-10.11',
  'login-ed25519-10.11',
  'login-wrong-password-10.11',
  'change-user-10.11',
];

/** Whole connections of real programs, cut where their sides take turns. */
const conversations: Record<string, readonly Buffer[]> = {
  'postgres-connection': [
    conversation(
      [0],
      [
        ['client', capture('postgres/psql-15.opening.bin')],
        ['client', capture('postgres/psql-15.first.bin')],
        grant,
        ['server', capture('postgres/login-scram-15.server.bin')],
        ['client', Buffer.from('Q\0\0\0\x0dselect 1\0')],
      ],
    ),
    conversation(
      [3],
      [
        ['client', capture('postgres/node-pg.first.bin')],
        grantWithTls,
        ['server', yes],
        ['server', capture('postgres/login-wrong-password-15.server.bin')],
      ],
    ),
  ],
  'mysql-login': logins.flatMap((name) => {
    const { server, client } = turnsOf(name);
    return [conversation(anybody, [['server', server[0] ?? nothing], ...turns(server, client)])];
  }),
  'mysql-connection': logins.flatMap((name) =>
    [grant, grantWithTls].map((leave) => {
      const { server, client } = turnsOf(name);
      const response: Said = ['client', capture('mysql/pymysql.first.bin')];
      return conversation([3], [response, leave, ['server', server[0] ?? nothing], ...turns(server, client)]);
    }),
  ),
};

/** KILLs by an id of the front's greetings. */
const kills = [
  Buffer.from('\x03KILL 4026531841'),
  Buffer.from('\x03/* a */ kill query 4026531841;', 'latin1'),
  Buffer.from('0c010000f0', 'hex'),
];

function packet(number: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntLE(payload.length, 0, 3);
  head.writeUInt8(number, 3);
  return Buffer.concat([head, payload]);
}

/** What must not pass, and would be found late by chance. */
const hostile: Record<string, readonly Buffer[]> = {
  // A file of LOCAL INFILE whose numbers come round, all of its pieces beginning as COM_CHANGE_USER does.
  'mysql-commands': [
    Buffer.from('ffff000000010302ff0111', 'hex'),
    ...kills.map((kill) => Buffer.concat([Buffer.from('00000000ffff', 'hex'), packet(0, kill)])),
  ],
  'mysql-kill': kills.map((kill) => Buffer.concat([Buffer.from([kill[0] === 3 ? 0 : 2]), kill.subarray(1)])),
  // Answered: the server's id is 7.
  'mysql-connection': kills.map((kill) =>
    conversation(
      [7],
      [
        ['client', packet(0, kill)],
        ['other', Buffer.from('0a0100000000020807', 'hex')],
        ['client', packet(0, Buffer.from('\x03select 1'))],
      ],
    ),
  ),
  // A second packet behind the proof, with the number that would be its own.
  'mysql-login': logins.slice(0, 1).map((name) => {
    const { server, client } = turnsOf(name);
    const proof = renumbered(client[0], 1);
    return conversation(anybody, [
      ['server', Buffer.concat(server.slice(0, 2))],
      ['client', Buffer.concat([proof, renumbered(proof, 2)])],
    ]);
  }),
};

type Line = readonly ['client' | 'server', Buffer];

/** Whole sessions of real programs, behind TLS, as a recorder between them and a server in clear has them. */
const talks: Record<string, () => readonly Buffer[]> = {
  'postgres-connection': () =>
    recorded('postgres').map(([startup, ...lines]) => conversation([3], [startup!, grant, ...lines])),
  'mysql-connection': () =>
    recorded('mysql').map(([greeting, response, ...lines]) => {
      const begins = lines.findIndex(isCommand);
      // Behind TLS the client is one packet further until its login is over.
      const login = lines.slice(0, begins).map(([who, bytes]): Line => [who, further(who, bytes)]);
      const ready: Said[] = [['client', further('client', response![1])], grant, greeting!];
      return conversation([3], [...ready, ...login, ...lines.slice(begins)]);
    }),
  'mysql-follow': () =>
    recorded('mysql').map((lines) => {
      const commands = lines.slice(lines.findIndex(isCommand)).map(([who, bytes]): Line => {
        const packets = who === 'client' ? packetsOf(bytes).filter((each) => each[3] === 0) : [];
        return who === 'server'
          ? [who, bytes]
          : [who, Buffer.concat(packets.map((each) => each.subarray(4, 5)))];
      });
      return conversation([0], commands);
    }),
};

const isCommand = ([who, bytes]: Line): boolean => who === 'client' && bytes[3] === 0;

const further = (who: Line[0], bytes: Buffer): Buffer =>
  who === 'client' ? Buffer.concat(packetsOf(bytes).map((each) => renumbered(each, 1))) : bytes;

/** filters/core/tests/captures/README.md says what stands in them. */
function recorded(protocol: string): (readonly Line[])[] {
  return readdirSync(path.join(captures, 'talks'))
    .filter((name) => name.startsWith(protocol))
    .map((name) =>
      capture(`talks/${name}`)
        .toString()
        .split('\n')
        .map((line) => line.split(' ', 2))
        .flatMap(([who, hex]): Line[] =>
          who === 'client' || who === 'server' ? [[who, Buffer.from(hex!, 'hex')]] : [],
        ),
    );
}

interface Sides {
  readonly server: readonly Buffer[];
  /** Behind its response. */
  readonly client: readonly Buffer[];
}

function turnsOf(name: string): Sides {
  const [, ...client] = packetsOf(capture(`mysql/${name}.client.bin`));
  return { server: packetsOf(capture(`mysql/${name}.server.bin`)), client };
}

/** What follows the greeting, one packet of each side at a time. */
function turns(server: readonly Buffer[], client: readonly Buffer[]): Said[] {
  return Array.from({ length: Math.max(server.length, client.length) }, (_, at): Said[] => [
    ['server', server[at + 1] ?? nothing],
    // The client's numbers run ahead of those that the recorder saw, until the login is over.
    ['client', at === 0 ? renumbered(client[at], 1) : (client[at] ?? nothing)],
  ]).flat();
}

function packetsOf(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4 + bytes.readUIntLE(at, 3))
    packets.push(bytes.subarray(at, at + 4 + bytes.readUIntLE(at, 3)));
  return packets;
}

function renumbered(packet: Buffer | undefined, by: number): Buffer {
  const copy = Buffer.from(packet ?? []);
  if (copy.length > 3) copy.writeUInt8(copy.readUInt8(3) + by, 3);
  return copy;
}

function captured(prefix: string, like: RegExp): Buffer[] {
  return readdirSync(captures, { recursive: true, encoding: 'utf8' })
    .filter((name) => like.test(name))
    .map((name) => Buffer.concat([Buffer.from(prefix, 'hex'), readFileSync(path.join(captures, name))]));
}
