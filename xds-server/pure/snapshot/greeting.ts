import type { Engine, Plan } from '../plan/plan.js';

/**
 * What a MySQL listener greets clients with, before it knows whom they want: as the oldest server behind it would,
 * so that nobody is promised what a server cannot do. Which spec may mix which versions is decided there.
 */
export interface Greeting {
  /** Text of the server version, as servers of this engine write it. */
  readonly version: string;
  /** Bits that the servers offer and the front passes on. */
  readonly capabilities: number;
  /** MariaDB's own bits, in four bytes that are filler for MySQL. */
  readonly mariadb_capabilities: number;
  /** Number of the servers' default collation. */
  readonly collation: number;
}

/**
 * Capability flags, by bit.
 * MySQL: "Capabilities Flags" in the server's source documentation,
 * https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html
 * and "Protocol::HandshakeV10", page_protocol_connection_phase_packets_protocol_handshake_v10.html of the same;
 * MariaDB: "Connection", chapter "Capabilities", https://mariadb.com/kb/en/connection/#capabilities
 */
const bit = {
  longPassword: 0, // Cleared by MariaDB: CLIENT_MYSQL, "this is not MariaDB".
  foundRows: 1,
  longFlag: 2,
  connectWithDb: 3,
  noSchema: 4,
  odbc: 6,
  localFiles: 7,
  ignoreSpace: 8,
  protocol41: 9,
  interactive: 10,
  ssl: 11,
  ignoreSigpipe: 12,
  transactions: 13,
  reserved: 14,
  secureConnection: 15,
  multiStatements: 16,
  multiResults: 17,
  psMultiResults: 18,
  pluginAuth: 19,
  connectAttrs: 20,
  pluginAuthLenencClientData: 21,
  canHandleExpiredPasswords: 22,
  sessionTrack: 23,
  deprecateEof: 24,
  optionalResultsetMetadata: 25,
} as const;

/**
 * Left out on purpose, though servers have them: compression (5, 26), which would hide the protocol's state;
 * query attributes (27), which MySQL 8.0 has only since 8.0.23; further authentication factors (28), which the
 * login relay does not carry; and the client-only bits 29 to 31.
 */
const common = mask(
  Object.entries(bit)
    .filter(([name]) => name !== 'longPassword' && name !== 'optionalResultsetMetadata')
    .map(([, position]) => position),
);

/** MariaDB: https://mariadb.com/docs/server/reference/clientserver-protocol/mariadb-protocol-differences-with-mysql */
const mariadbBits = [
  { position: 0, name: 'MARIADB_CLIENT_PROGRESS', since: [10, 2] },
  { position: 2, name: 'MARIADB_CLIENT_STMT_BULK_OPERATIONS', since: [10, 2] },
  { position: 3, name: 'MARIADB_CLIENT_EXTENDED_METADATA', since: [10, 6] },
  { position: 4, name: 'MARIADB_CLIENT_CACHE_METADATA', since: [10, 6] },
] as const;

/** utf8mb4_general_ci and utf8mb4_0900_ai_ci: SHOW COLLATION. */
const collations = { mariadb: 45, mysql: 255 } as const;

/** @param version `10.11`, `8.4`: series, as the spec has it. */
export function greetingOf(engine: Exclude<Engine, 'postgres'>, version: string): Greeting {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const collation = collations[engine];
  if (engine === 'mysql') {
    const capabilities = (common | mask([bit.longPassword, bit.optionalResultsetMetadata])) >>> 0;
    // Drivers ask a server before 8.0.3 for variables that later ones do not have; 8.0.11 was the first for general use.
    const text = version === '8.0' ? '8.0.11' : `${version}.0`;
    return { version: text, capabilities, mariadb_capabilities: 0, collation };
  }
  const known = mariadbBits.filter(({ since }) => isAtLeast([major, minor], since));
  return {
    // Before 11.0 a prefix keeps old replicas from reading "10" as an unknown version 1 (MDEV-4088, MDEV-28910).
    version: `${major < 11 ? '5.5.5-' : ''}${version}.0-MariaDB`,
    capabilities: common,
    mariadb_capabilities: mask(known.map(({ position }) => position)),
    collation,
  };
}

/** The greeting for every MySQL listener of a plan; undefined when no target speaks MySQL. */
export function greetingFor(plan: Plan): Greeting | undefined {
  let oldest: { engine: Exclude<Engine, 'postgres'>; version: string } | undefined;
  for (const { engine, version } of plan.targets.values()) {
    if (engine === 'postgres' || version === undefined) continue;
    if (!oldest || !isAtLeast(version.split('.').map(Number), oldest.version.split('.').map(Number)))
      oldest = { engine, version };
  }
  return oldest && greetingOf(oldest.engine, oldest.version);
}

function isAtLeast(version: readonly number[], other: readonly number[]): boolean {
  const [major = 0, minor = 0] = version;
  const [otherMajor = 0, otherMinor = 0] = other;
  return major > otherMajor || (major === otherMajor && minor >= otherMinor);
}

function mask(positions: readonly number[]): number {
  return positions.reduce((bits, position) => (bits | (1 << position)) >>> 0, 0);
}
