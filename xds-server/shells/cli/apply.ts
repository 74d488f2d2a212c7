/**
 * `sluice apply`, `sluice diff` and `sluice show`: the spec that is in a store. Whoever applies says, or has just seen, what
 * he changes; when somebody was faster nothing changes, and he is told.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { planOf } from '../../pure/plan/plan-of.js';
import { type GreetingChange, greetingChange } from '../../pure/snapshot/greeting-change.js';
import { type Problem, renderProblem } from '../../pure/spec/problem.js';
import type { Spec } from '../../pure/spec/spec.js';
import { type ObjectChange, renderDifference, specDifference } from '../../pure/store/spec-difference.js';
import { type SpecStore, type StoredSpec, StoreTrouble } from '../../pure/store/spec-store.js';
import type { StoreSettings } from '../../pure/store/store-address.js';
import { jsonOption } from './options.js';
import { AnswerIsNo, NoAnswer } from './program.js';
import { addStoreOptions, type StoreOptions, storeSettingsOf } from './store-options.js';
import { printable } from './table.js';

export type ReadForStore = (
  file: string,
  withFiles: boolean,
) => Promise<
  | {
      readonly ok: true;
      readonly spec: Spec;
      readonly warnings: readonly Problem[];
      readonly bytes: Uint8Array;
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }
>;

export interface StoreCommands {
  open(settings: StoreSettings): SpecStore;
  /** As `sluice check` reads it. */
  read: ReadForStore;
  /** Of what is in the store: a spec alone. undefined: no spec of this version of the program. */
  parse(bytes: Uint8Array): Spec | undefined;
}

interface Options extends StoreOptions {
  readonly files: boolean;
  readonly revision?: number;
  readonly json?: true;
}

const storeWords = 'where the spec is kept: dir:PATH, or etcd:URL,URL…';

export function applyCommand(parts: StoreCommands): Command {
  const command = new Command('apply')
    .description('check a spec, show what it changes, and put it into a store')
    .argument('<file>', 'the spec')
    .option('--no-files', 'leave out the certificates and passwords, where they are not on this machine')
    .addOption(
      new Option('--revision <number>', 'only if the store is still there; 0: still empty').argParser(
        parseRevision,
      ),
    )
    .addOption(jsonOption());
  return addStoreOptions(command, storeWords).action(async (file: string, options: Options) => {
    await withStore(parts, command, options, (store) => apply(parts, store, file, options));
  });
}

export function diffCommand(parts: StoreCommands): Command {
  const command = new Command('diff')
    .description('show what `sluice apply` would change; exit 0: nothing, 1: something, 2: trouble')
    .argument('<file>', 'the spec')
    .option('--no-files', 'leave out the certificates and passwords, where they are not on this machine')
    .addOption(jsonOption());
  return addStoreOptions(command, storeWords).action(async (file: string, options: Options) => {
    const isDifferent = await diff(parts, command, file, options).catch((error: unknown) => {
      if (error instanceof CommanderError) throw error;
      // Whatever it is, even a bug: 1 would say that they were compared.
      throw new NoAnswer(error instanceof AnswerIsNo ? error.message : String(error));
    });
    if (isDifferent) throw new AnswerIsNo('');
  });
}

/** @throws AnswerIsNo when they cannot be compared */
async function diff(
  parts: StoreCommands,
  command: Command,
  file: string,
  options: Options,
): Promise<boolean> {
  return withStore(parts, command, options, async (store) => {
    const { before, after, change } = await compare(parts, store, file, options);
    if (!before) await mustBeThere(store);
    say(options, { ...change, warnings: after.warnings }, [
      ...render(change),
      change.different
        ? `${file} is not what the store has (${at(before?.revision)})`
        : `${file} is what the store has (${at(before?.revision)})`,
    ]);
    return change.different;
  });
}

export function showCommand(parts: StoreCommands): Command {
  const command = new Command('show')
    .description('print the spec that a store has, as it was applied')
    .addOption(jsonOption());
  return addStoreOptions(command, storeWords).action(async (options: Options) => {
    await withStore(parts, command, options, async (store) => {
      const stored = await store.read();
      if (!stored) {
        await mustBeThere(store);
        throw new AnswerIsNo(`${store.name} is empty`);
      }
      const text = Buffer.from(stored.bytes).toString('utf8');
      // For `sluice apply --revision`: of this very text, whatever comes meanwhile.
      if (!options.json) process.stderr.write(`sluice: ${at(stored.revision)} of ${store.name}\n`);
      process.stdout.write(
        options.json ? `${JSON.stringify({ revision: stored.revision, text }, null, 2)}\n` : text,
      );
    });
  });
}

interface Change {
  /** Of the store before; 0: empty. */
  readonly revision: number;
  readonly different: boolean;
  /** Objects; empty although different: comments, order, or a form that says the same. */
  readonly changes: readonly ObjectChange[];
  /** null: no mysql listener drains because it greets otherwise. */
  readonly greeting: GreetingChange | null;
}

async function apply(parts: StoreCommands, store: SpecStore, file: string, options: Options): Promise<void> {
  const { before, after, change } = await compare(parts, store, file, options);
  const expected = options.revision ?? change.revision;
  if (!before && expected > 0) await mustBeThere(store);
  const conflict = (found: number): never => {
    const answer = { ok: false, conflict: { expected, found } };
    if (options.json) process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
    throw new AnswerIsNo(
      `nothing is applied to ${store.name}: expected ${at(expected)}, found ${at(found)}. Somebody has changed it; see what he did (sluice show, sluice diff), bring ${file} up to it, and apply it with --revision ${found}`,
    );
  };
  if (expected !== change.revision) conflict(change.revision);
  const told = { ...change, warnings: after.warnings };
  const lines = [...render(change), ...after.warnings.map((warning) => `warning: ${renderProblem(warning)}`)];
  if (!change.different) {
    say(options, { ok: true, ...told, previous: change.revision }, [
      ...lines,
      `${store.name} has it already (${at(before?.revision)})`,
    ]);
    return;
  }
  const written = await store.write(after.bytes, expected);
  if (written.kind === 'conflict') return conflict(written.found);
  const { revision } = written;
  say(options, { ok: true, ...told, previous: change.revision, revision }, [
    ...lines,
    `${file} is ${at(revision)} of ${store.name}`,
  ]);
}

async function compare(parts: StoreCommands, store: SpecStore, file: string, options: Options) {
  const after = await parts.read(file, options.files);
  if (!after.ok) {
    if (options.json) process.stdout.write(`${JSON.stringify(after, null, 2)}\n`);
    else
      process.stdout.write(
        after.problems.map((problem) => `${printable(renderProblem(problem))}\n`).join(''),
      );
    throw new AnswerIsNo(`${file} has problems; see \`sluice check\``);
  }
  const before = await store.read();
  return { before, after, change: changeOf(parts, before, after) };
}

/** Of one that has nothing: for whoever expects something of it. @throws StoreTrouble */
async function mustBeThere(store: SpecStore): Promise<void> {
  const absence = await store.absence();
  if (absence === undefined) return;
  throw new StoreTrouble(
    `${store.name}: ${absence}; look at the path, or begin a store there with \`sluice apply\``,
  );
}

function changeOf(
  parts: StoreCommands,
  before: StoredSpec | undefined,
  after: { readonly spec: Spec; readonly bytes: Uint8Array },
): Change {
  const different = !before || Buffer.compare(before.bytes, after.bytes) !== 0;
  const old = different && before ? parts.parse(before.bytes) : undefined;
  const changes = different ? specDifference(old, after.spec) : [];
  const greeting = (old && greetingChange(planOf(old), planOf(after.spec))) ?? null;
  return { revision: before?.revision ?? 0, different, changes, greeting };
}

function render({ different, changes, greeting }: Change): readonly string[] {
  if (different && changes.length === 0) return ['no object is different: comments, order or layout are'];
  return [...renderDifference(changes), ...(greeting ? [renderDraining(greeting)] : [])];
}

const renderDraining = ({ listeners, before, after }: GreetingChange): string =>
  `! ${listeners.map((name) => `listeners.${name}`).join(', ')}: all connections drain. The oldest version of the databases changes the greeting ` +
  `(${before ?? 'none'} → ${after ?? 'none'}); what is open is cut when Envoy's drain time is over, after ten minutes unless --drain-time-s is set`;

function say(options: Options, answer: object, lines: readonly string[]): void {
  process.stdout.write(
    options.json ? `${JSON.stringify(answer, null, 2)}\n` : `${lines.map(printable).join('\n')}\n`,
  );
}

const at = (revision: number | undefined): string => (revision ? `revision ${revision}` : 'empty');

async function withStore<Answer>(
  parts: StoreCommands,
  command: Command,
  options: Options,
  work: (store: SpecStore) => Promise<Answer>,
): Promise<Answer> {
  const settings = storeSettingsOf(options);
  if (typeof settings === 'string') return command.error(`error: ${settings}`);
  if (!settings) return command.error('error: expected --store, found none');
  const store = parts.open(settings);
  try {
    return await work(store);
  } catch (error) {
    if (error instanceof StoreTrouble) throw new AnswerIsNo(error.message);
    throw error;
  } finally {
    store.close();
  }
}

function parseRevision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a revision: a whole number, 0 for an empty store.');
}
