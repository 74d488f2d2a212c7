/** What a driver is tried with: logins, and what must come of each. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { hostnameOf, type Sluice, strangersHostname } from '../harness/sluice.js';
import type { Login, Told } from './clients/conversation.js';
import type { ClientProgram } from './clients.js';

/** A way to a database. */
export interface Route {
  readonly service: string;
  readonly database: string;
  /** What the database is, for the reader. */
  readonly server: string;
  /** `ann` unless said otherwise. */
  readonly user?: string;
  /** Path of the CA of the certificate that the service shows, where it is not that of the listener. */
  readonly ca?: () => string;
  /** Who can go there; everybody unless said otherwise. */
  readonly isFor?: (program: ClientProgram) => boolean;
}

export interface Surroundings {
  readonly sluice: () => Sluice;
  readonly password: string;
  /** By protocol; the first one is where refusals are tried. */
  readonly routes: Readonly<Record<ClientProgram['protocol'], readonly Route[]>>;
  /** Services that do not allow `ann` (those that send names go there) or `stranger` (the default service). */
  readonly closed: Readonly<Record<ClientProgram['protocol'], string>>;
  /** Done before each program begins. */
  readonly first?: () => Promise<void>;
  /** Path of a CA that has signed nothing here. */
  readonly foreignCa: () => string;
}

const refused = {
  postgres: {
    login: (user: string) => new RegExp(`password authentication failed for user "${user}"`),
    loginCode: '28P01',
    notAllowed: '28000',
    unknownName: '08004',
  },
  mysql: {
    login: (user: string) => new RegExp(`Access denied for user '${user}'`),
    loginCode: 1045,
    notAllowed: 1045,
    unknownName: 1130,
  },
} as const;

interface Case {
  readonly sentence: string;
  readonly login: () => Login;
  readonly judge: (told: Told) => void;
}

function casesOf(
  program: ClientProgram,
  { sluice, password, routes, closed, foreignCa }: Surroundings,
): Case[] {
  const { protocol, keepsCode, sendsName, canBeDirect } = program;
  const expected = refused[protocol];
  const to = ({ service, database, user = 'ann', ca }: Route, more: Partial<Login> = {}): Login => ({
    ...{ host: hostnameOf(service), user, password, database, ca: ca?.() ?? sluice().certificates.ca },
    port: protocol === 'postgres' ? sluice().ports.pg : sluice().ports.mysql,
    ...more,
  });
  const isServedBy = (database: string) => (told: Told) =>
    assert.deepEqual(told, { database, doubled: 42, sum: 12_502_500 });
  const isRefused = (text: RegExp, code: string | number) => (told: Told) => {
    assert.ok('message' in told, 'it was let in');
    assert.match(told.message, text);
    if (keepsCode) assert.equal(told.code, code);
  };

  const cases: Case[] = [];
  const open = routes[protocol].filter(({ isFor }) => isFor?.(program) ?? true);
  for (const route of open) {
    const { service, database, server, user = 'ann' } = route;
    const way = sendsName ? `by the name of ${service}` : 'by the default service of the listener';
    cases.push({
      sentence: `reaches ${database} on ${server} ${way}, logs in and queries`,
      login: () => to(route),
      judge: isServedBy(database),
    });
    if (canBeDirect) {
      cases.push({
        sentence: `reaches ${database} on ${server} ${way} when it begins with TLS`,
        login: () => to(route, { direct: true }),
        judge: isServedBy(database),
      });
    }
    cases.push({
      sentence: `reads the own error of ${server} for a wrong password`,
      login: () => to(route, { password: 'wrong' }),
      judge: isRefused(expected.login(user), expected.loginCode),
    });
  }
  const [first] = open;
  assert.ok(first, `${program.name} has nowhere to go`);
  if (sendsName) {
    cases.push({
      sentence: 'reads a refusal in its own protocol when no service has the name',
      login: () => to(first, { host: strangersHostname, ca: sluice().certificates.ca }),
      judge: isRefused(/stranger\.db\.test/, expected.unknownName),
    });
  }
  cases.push({
    sentence: 'reads a refusal in its own protocol when the service does not allow it',
    login: () =>
      sendsName ? to(first, { host: hostnameOf(closed[protocol]) }) : to(first, { user: 'stranger' }),
    judge: isRefused(/may not use this service/, expected.notAllowed),
  });
  cases.push({
    sentence: 'goes away from a certificate that it cannot verify',
    login: () => to(first, { ca: foreignCa() }),
    judge: (told) => {
      assert.ok('message' in told, 'it was let in');
      assert.match(told.message, /certificate|certification path|trust anchors/i);
    },
  });
  return cases;
}

/** Tries a program with everything, all in one process of it, and one test for each outcome. */
export function tryOut(program: ClientProgram, surroundings: Surroundings): void {
  describe(program.name, () => {
    const cases = casesOf(program, surroundings);
    let told: readonly Told[];
    before(async () => {
      await surroundings.first?.();
      told = await program.run(
        cases.map(({ login }) => login()),
        surroundings.sluice().clientEnvironment,
      );
    });
    for (const [index, { sentence, judge }] of cases.entries()) test(sentence, () => judge(told[index]!));
  });
}
