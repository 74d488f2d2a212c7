/**
 * Whatever a client and the operator do in whatever order, and however the messages interleave: in the end the client
 * has what it wants of the newest set, or its last good version of what it refuses, and the server knows it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Resource, type ResourceSet, TypeUrl } from '../snapshot/snapshot.js';
import { changedNames } from './changes.js';
import type { Answer, DeltaRequest, SotwRequest, Update, Variant } from './exchange.js';
import { Subscription } from './subscription.js';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const UNKNOWN = 'nowhere';
const BOUNDS = { maxFallbacks: 2, maxUpdateBytes: 1000 };

/** How a client that refuses a resource says so, and what it does with the others. */
type Temper = 'one by one' | 'names the culprit' | 'says nothing';

type Step =
  | { readonly do: 'subscribe' | 'unsubscribe'; readonly names: readonly string[] }
  | { readonly do: 'publish'; readonly versions: readonly number[] }
  | { readonly do: 'client reads' | 'server reads' | 'server sends' | 'settle' | 'reconnect' };

const isBad = (version: string): boolean => Number(version.split('-')[1]) % 4 === 3;

function setOf(versions: readonly number[], withFallback: boolean): ResourceSet {
  const resources = new Map<string, Resource>();
  versions.forEach((version, index) => {
    if (version > 0) resources.set(NAMES[index]!, resource(NAMES[index]!, version));
  });
  const set = { version: versions.join(), resources };
  return withFallback ? { ...set, fallback: (name) => resource(name, 1) } : set;
}

function resource(name: string, version: number): Resource {
  return { name, version: `${name}-${version}`, bytes: new Uint8Array(200), owner: `services.${name}` };
}

/** A client and the server's side of its stream, with the messages under way between them. */
class Scenario {
  #subscription: Subscription;
  #set: ResourceSet | undefined;
  #requests: (DeltaRequest | SotwRequest)[] = [];
  #responses: Update[] = [];
  /** Resource versions that the server knows to be refused; it must not push them. */
  #refused = new Set<string>();
  /** Unless the client asks for it. */
  #asked = new Set<string>();

  wildcard = false;
  names = new Set<string>();
  cache = new Map<string, string>();
  /** Names whose last good version nobody has given a reason to give up. */
  keeps = new Set<string>();
  #explicit = false;
  #speaks = false;
  #nonce = '';
  #version = '';
  #isReconnectedSotw = false;

  constructor(
    private readonly variant: Variant,
    private readonly typeUrl: TypeUrl,
    private readonly temper: Temper,
    private readonly withFallback: boolean,
  ) {
    this.#subscription = this.#newSubscription();
  }

  get isRoot(): boolean {
    return this.typeUrl === TypeUrl.cluster;
  }

  step(step: Step): void {
    if (step.do === 'subscribe' || step.do === 'unsubscribe') this.#ask(step.do, step.names);
    else if (step.do === 'publish') this.#publish(step.versions);
    else if (step.do === 'server reads') this.#serverReads();
    else if (step.do === 'server sends') this.#serverSends();
    else if (step.do === 'client reads') this.#clientReads();
    else if (step.do === 'settle') this.settle();
    else this.#reconnect();
  }

  settle(): void {
    if (!this.#set) this.#publish([1, 1, 1, 1, 1]);
    for (let turn = 0; turn < 400; turn++) {
      const busy = this.#requests.length + this.#responses.length > 0;
      this.#serverReads();
      const sent = this.#serverSends();
      this.#clientReads();
      if (!busy && !sent) return;
    }
    assert.fail('server and client never come to rest');
  }

  check(): void {
    for (const name of [...NAMES, UNKNOWN]) {
      const has = this.cache.get(name);
      const wanted = this.#wanted(name);
      const where = `${name}: has ${has}, wanted ${wanted}`;
      if (!this.#covers(name)) assert.equal(has, undefined, where);
      else if (this.variant === 'sotw' && !this.isRoot && !this.#set?.resources.has(name)) {
        // There is no word for taking it away.
      } else if (wanted === 'maybe') assert.ok(has === undefined || has === `${name}-1`, where);
      else if (wanted !== undefined && isBad(wanted)) {
        if (this.keeps.has(name)) assert.ok(has && !isBad(has), `the last good one is gone: ${where}`);
      } else if (!this.#isCornered()) assert.equal(has, wanted, where);

      const isKnown = this.variant === 'delta' || (this.isRoot && this.#nonce !== '' && !this.#isCornered());
      if (isKnown && this.#covers(name))
        assert.equal(this.#subscription.holds(name), has !== undefined, `the server knows: ${where}`);
    }
    if (this.#speaks) assert.ok(this.#subscription.isSettled, 'the server knows that it is done');
  }

  /**
   * SotW, reconnected, and something is refused: the world can't be sent without the culprit, because that would delete
   * what the client may still have of it. A client that refuses a response whole then stays where it is.
   */
  #isCornered(): boolean {
    return (
      this.#isReconnectedSotw &&
      NAMES.some((name) => this.#covers(name) && isBad(this.#wanted(name) ?? 'none-0'))
    );
  }

  #newSubscription(): Subscription {
    const made = new Subscription(this.typeUrl, this.variant, BOUNDS);
    if (this.#set) made.publish(this.#set, []);
    return made;
  }

  #covers(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }

  #wanted(name: string): string | undefined {
    const own = this.#set?.resources.get(name)?.version;
    if (own) return own;
    return this.#set?.fallback && this.names.has(name) ? 'maybe' : undefined;
  }

  #publish(versions: readonly number[]): void {
    const before = this.#set;
    this.#set = setOf(versions, this.withFallback);
    const changed = changedNames(before, this.#set);
    for (const name of changed) {
      if (!this.#set.resources.has(name)) this.keeps.delete(name);
      for (const refused of this.#refused) if (refused.startsWith(`${name}-`)) this.#refused.delete(refused);
    }
    this.#subscription.publish(this.#set, changed);
  }

  #ask(what: 'subscribe' | 'unsubscribe', names: readonly string[]): void {
    const isLegacy = what === 'subscribe' && names.length === 0;
    if (isLegacy && (this.#speaks || !this.isRoot || this.names.size > 0)) return;
    if (what === 'unsubscribe' && !this.#speaks) return;
    // An empty list would still mean everything.
    if (what === 'unsubscribe' && this.variant === 'sotw' && !this.#explicit) return;
    if (isLegacy) this.wildcard = true;
    for (const name of names) {
      if (name === '*') this.wildcard = what === 'subscribe';
      else if (what === 'subscribe') this.names.add(name);
      else this.names.delete(name);
      this.#explicit = true;
    }
    for (const name of this.cache.keys()) if (!this.#covers(name)) this.#drop(name);
    if (what === 'unsubscribe' && this.variant === 'sotw')
      for (const name of names) if (!this.#set?.resources.has(name)) this.#drop(name);
    if (this.variant === 'sotw') this.#send();
    else if (what === 'subscribe') this.#send({ subscribe: names });
    else this.#send({ unsubscribe: names });
  }

  #drop(name: string): void {
    this.cache.delete(name);
    this.keeps.delete(name);
  }

  #send(delta: Partial<DeltaRequest> = {}, error?: string): void {
    this.#speaks = true;
    const reply = error === undefined ? {} : { error };
    if (this.variant === 'delta')
      this.#requests.push({
        subscribe: [],
        unsubscribe: [],
        initialVersions: {},
        nonce: '',
        ...delta,
        ...reply,
      });
    else {
      const star = this.wildcard && this.#explicit ? ['*'] : [];
      const names = [...star, ...this.names];
      this.#requests.push({ names, version: this.#version, nonce: this.#nonce, ...reply });
    }
  }

  #reconnect(): void {
    this.#requests = [];
    this.#responses = [];
    this.#refused.clear();
    this.#nonce = '';
    this.#speaks = false;
    this.#isReconnectedSotw = false;
    this.#subscription = this.#newSubscription();
    const isLegacy = this.wildcard && this.names.size === 0 && this.isRoot;
    this.#explicit = !isLegacy;
    if (!this.wildcard && this.names.size === 0) this.#version = '';
    else if (this.variant === 'sotw') {
      this.#isReconnectedSotw = this.isRoot;
      // It took part of its very first response and names no version: the server takes it for a new one.
      if (this.#version === '') this.keeps.clear();
      this.#send();
    } else {
      const star = this.wildcard && !isLegacy ? ['*'] : [];
      this.#send({ subscribe: [...star, ...this.names], initialVersions: Object.fromEntries(this.cache) });
    }
  }

  #serverReads(): void {
    const request = this.#requests.shift();
    if (!request) return;
    const subscription = this.#subscription;
    const owed = subscription.owes('upserts') || subscription.owes('removals');
    let answer: Answer | undefined;
    let isPlain: boolean;
    if ('names' in request) {
      answer = subscription.requestSotw(request);
      isPlain = false;
    } else {
      for (const name of [...request.subscribe, ...request.unsubscribe])
        for (const asked of name === '*' ? NAMES : [name]) {
          this.#asked.add(asked);
          for (const refused of this.#refused)
            if (refused.startsWith(`${asked}-`)) this.#refused.delete(refused);
        }
      answer = subscription.requestDelta(request);
      isPlain = request.subscribe.length + request.unsubscribe.length === 0;
    }
    // A removal may follow, of what the client has stopped asking for while it was on its way.
    if (answer?.kind === 'ack' && isPlain && !owed)
      assert.ok(!subscription.owes('upserts'), 'an ACK is not answered');
    if (answer?.kind === 'nack')
      for (const { name, version } of answer.rejected)
        if (this.#set?.resources.get(name)?.version === version) this.#refused.add(version);
  }

  #serverSends(): boolean {
    for (const phase of ['upserts', 'removals'] as const) {
      if (!this.#subscription.canSend(phase)) continue;
      const update = this.#subscription.next(phase);
      assert.equal(new Set(update.resources.map(({ name }) => name)).size, update.resources.length);
      if (this.variant === 'delta')
        for (const { name, version } of update.resources)
          assert.ok(
            this.#asked.delete(name) || !this.#refused.has(version),
            `${version} was refused and is pushed again`,
          );
      this.#responses.push(update);
      return true;
    }
    return false;
  }

  #clientReads(): void {
    const response = this.#responses.shift();
    if (!response) return;
    this.#nonce = response.nonce;
    const wanted = response.resources.filter(({ name }) => this.#covers(name));
    const bad = wanted.filter(({ version }) => isBad(version));
    if (bad.length === 0 || this.temper === 'one by one') this.#apply(response, wanted);
    if (bad.length === 0) this.#version = response.version;
    this.#send({ nonce: response.nonce }, bad.length === 0 ? undefined : this.#complaint(bad));
  }

  #apply(response: Update, wanted: readonly Resource[]): void {
    for (const { name, version } of wanted) {
      if (isBad(version)) continue;
      this.cache.set(name, version);
      // Until its removal has its turn, a world also holds what has left the set.
      if (this.#set?.resources.has(name)) this.keeps.add(name);
    }
    for (const name of response.removed) this.#drop(name);
    if (this.variant === 'delta' || !this.isRoot) return;
    const world = new Set(response.resources.map(({ name }) => name));
    for (const name of this.cache.keys()) if (!world.has(name)) this.cache.delete(name);
  }

  #complaint(bad: readonly Resource[]): string {
    const names = bad.map(({ name }) => name);
    if (this.temper === 'says nothing') return 'Proto constraint validation failed';
    if (this.temper === 'names the culprit') return `Proto constraint validation failed: name: "${names[0]}"`;
    return `Error adding/updating cluster(s) ${names.map((name) => `${name}: too bad`).join(', ')}`;
  }
}

const someNames = fc.subarray([...NAMES, UNKNOWN, '*'], { minLength: 1, maxLength: 3 });
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: someNames.map((names): Step => ({ do: 'subscribe', names })) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'subscribe', names: [] }) },
  { weight: 2, arbitrary: someNames.map((names): Step => ({ do: 'unsubscribe', names })) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 5 }), { minLength: 5, maxLength: 5 })
      .map((versions): Step => ({ do: 'publish', versions })),
  },
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'client reads' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'server reads' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'server sends' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'settle' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'reconnect' }) },
);

for (const variant of ['delta', 'sotw'] as const)
  for (const typeUrl of [TypeUrl.cluster, TypeUrl.secret])
    for (const temper of ['one by one', 'names the culprit', 'says nothing'] as const)
      test(`${variant}, ${typeUrl.split('.').at(-1)}, a client that ${temper === 'one by one' ? 'applies one by one' : temper} converges`, () => {
        fc.assert(
          fc.property(fc.array(aStep, { maxLength: 60 }), fc.boolean(), (steps, withFallback) => {
            const scenario = new Scenario(
              variant,
              typeUrl,
              temper,
              withFallback && typeUrl === TypeUrl.secret,
            );
            for (const step of steps) scenario.step(step);
            scenario.settle();
            scenario.check();
          }),
          { numRuns: Number(process.env.SLUICE_RUNS ?? 1000), includeErrorInReport: true },
        );
      });
