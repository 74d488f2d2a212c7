/** The spec: where it is followed, what of it is in force, and what the operator is told of the rest. */
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { bindingWarnings } from '../pure/plan/channel-binding.js';
import type { Plan, TargetName } from '../pure/plan/plan.js';
import { planOf } from '../pure/plan/plan-of.js';
import { shownCertificate } from '../pure/snapshot/secret-set.js';
import type { Problem } from '../pure/spec/problem.js';
import { renderProblem } from '../pure/spec/problem.js';
import type { Spec } from '../pure/spec/spec.js';
import type { SpecStatus } from '../pure/status/status.js';
import type { SpecStore } from '../pure/store/spec-store.js';
import { fingerprint } from '../shells/store/certificates.js';
import { FollowedSpec } from '../shells/store/followed-spec.js';
import { FollowedStore, type StoreState } from '../shells/store/followed-store.js';
import { inFile, type LoadedSpec } from '../shells/store/load-spec.js';
import { problemStatus } from './problem-status.js';

export type SpecPlace =
  | { readonly kind: 'file'; readonly file: string }
  /** `folder`: where the relative names of files in it begin. The brain closes the store. */
  | { readonly kind: 'store'; readonly store: SpecStore; readonly folder: string };

export interface SpecInForceOptions {
  readonly log: Logger;
  readonly place: SpecPlace;
  /** Brings it into force. @throws when it cannot be carried out, and then nothing has changed */
  readonly enact: (plan: Plan, version: string, loaded: LoadedSpec) => void;
  /** It is in force. */
  readonly taken: (plan: Plan, loaded: LoadedSpec) => void;
  readonly read: (outcome: 'accepted' | 'rejected') => void;
  /** Fingerprints of the certificates that the servers of a target show. */
  readonly serverCertificates: (target: TargetName) => readonly string[];
}

export class SpecInForce {
  readonly #options: SpecInForceOptions;
  #status: SpecStatus;
  #loaded: { readonly plan: Plan; readonly spec: LoadedSpec } | undefined;
  /** By service: fingerprint of the certificate that its clients see. */
  #shown: ReadonlyMap<string, string> = new Map();
  #followed: { close(): void } | undefined;

  constructor(options: SpecInForceOptions) {
    const { place } = options;
    this.#options = options;
    this.#status = {
      source: place.kind === 'file' ? place.file : place.store.name,
      revision: null,
      store: null,
      version: null,
      loaded_at: null,
      problems: [],
      warnings: [],
    };
  }

  /** Undefined before the first good one. */
  get loaded(): LoadedSpec | undefined {
    return this.#loaded?.spec;
  }

  get status(): SpecStatus {
    const warnings = [...this.#status.warnings, ...this.#bindingWarnings().map(problemStatus)];
    return { ...this.#status, warnings };
  }

  /** Reads it, and every change of it from then on. */
  async follow(): Promise<void> {
    const { place } = this.#options;
    const listener = {
      onChange: (loaded: LoadedSpec, revision: number | undefined) => this.#take(loaded, revision),
      onProblems: (problems: readonly Problem[], revision: number | undefined) =>
        this.#reject(problems, revision),
    };
    if (place.kind === 'file') this.#followed = await FollowedSpec.open(inFile(place.file), listener);
    else {
      const onStore = (state: StoreState): void => this.#storeIs(state);
      this.#followed = await FollowedStore.open(place.store, place.folder, { ...listener, onStore });
    }
  }

  close(): void {
    this.#followed?.close();
  }

  /** The servers of this target have been met: do their certificates go with those that clients see? */
  warnOfBinding(target: TargetName): void {
    for (const warning of this.#bindingWarnings(target)) this.#warn(warning);
  }

  #take(loaded: LoadedSpec, revision: number | undefined): void {
    const { log, enact, taken, read } = this.#options;
    const { spec, files, warnings } = loaded;
    const plan = planOf(spec);
    const version = versionOf(spec, files);
    try {
      enact(plan, version, loaded);
    } catch (error) {
      // A spec that was accepted and cannot be carried out is a bug, and no reason to leave what is in force.
      log.error({ error }, 'an accepted spec cannot be carried out');
      this.#reject(
        [{ path: '', expected: 'a spec that can be carried out', found: String(error) }],
        revision,
      );
      return;
    }
    read('accepted');
    this.#shown = shownCertificates(plan, files);
    this.#loaded = { plan, spec: loaded };
    taken(plan, loaded);
    this.#status = {
      ...this.#status,
      revision: revision ?? null,
      version,
      loaded_at: new Date().toISOString(),
      problems: [],
      warnings: warnings.map(problemStatus),
    };
    for (const warning of warnings) this.#warn(warning);
    const of = { version, ...(revision !== undefined && { revision }), services: plan.services.size };
    log.info(of, 'the spec is in force');
  }

  #reject(problems: readonly Problem[], revision?: number): void {
    this.#options.read('rejected');
    this.#status = { ...this.#status, problems: problems.map(problemStatus) };
    const { source } = this.#status;
    const shown = problems.map(renderProblem);
    this.#options.log.error(
      { source, ...(revision !== undefined && { revision }), problems: shown },
      this.#loaded ? 'the spec is not taken; what was in force stays' : 'there is no good spec yet',
    );
  }

  /** A store that is lost takes nothing with it: what is in force stays, and nothing new comes. */
  #storeIs({ revision, problem }: StoreState): void {
    const { store: before, source } = this.#status;
    const since = before?.problem ? before.problem_since : new Date().toISOString();
    const store = {
      revision: revision ?? null,
      problem: problem ?? null,
      problem_since: problem === undefined ? null : since,
    };
    this.#status = { ...this.#status, store };
    const { log } = this.#options;
    if (problem !== undefined && problem !== before?.problem)
      log.error({ source, problem }, 'the store of specs is lost; what is in force stays');
    if (problem === undefined && before?.problem)
      log.info({ source, revision }, 'the store of specs is back');
  }

  /** @param target this one's alone */
  #bindingWarnings(target?: TargetName): readonly Problem[] {
    if (!this.#loaded) return [];
    const { serverCertificates } = this.#options;
    return bindingWarnings(
      this.#loaded.plan,
      ({ name }) => this.#shown.get(name),
      (name) => (target === undefined || name === target ? serverCertificates(name) : []),
    );
  }

  #warn(warning: Problem): void {
    this.#options.log.warn({ path: warning.path }, renderProblem(warning));
  }
}

/** Of all that the operator wrote, passwords excepted: much of it is the ledger's alone and shows in no snapshot. */
function versionOf(spec: Spec, files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256').update(JSON.stringify(spec));
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(name).update(bytes);
  return hash.digest('hex').slice(0, 16);
}

function shownCertificates(plan: Plan, files: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, string> {
  // Thousands of services may share one certificate.
  const ofFile = new Map<string, string | undefined>();
  const ofService = new Map<string, string>();
  for (const service of plan.services.values()) {
    const { chain } = shownCertificate(plan, service);
    const bytes = files.get(chain);
    if (!ofFile.has(chain)) ofFile.set(chain, bytes && fingerprint(bytes));
    const found = ofFile.get(chain);
    if (found !== undefined) ofService.set(service.name, found);
  }
  return ofService;
}
