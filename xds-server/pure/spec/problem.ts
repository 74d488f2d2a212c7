/**
 * What is wrong with a spec, said so that its author can put it right: where, what was expected, what was found,
 * what he may have meant. Values of secrets never get in here.
 */
export interface Problem {
  /** `services.checkout.timeout_ms`, `services.checkout.allow[0]`; empty for the file as a whole. */
  readonly path: string;
  /** Completes "expected …". */
  readonly expected: string;
  /** Completes "found …". */
  readonly found: string;
  /** What to do about it: a whole clause such as `did you mean "orders"?`. */
  readonly hint?: string;
  /** Counted from 1; absent when the place has no text of its own. */
  readonly line?: number;
  readonly column?: number;
}

export type Path = readonly (string | number)[];

/** A problem whose place in the text is not looked up yet. */
export interface Finding {
  readonly path: Path;
  readonly expected: string;
  readonly found: string;
  /** A function where it takes a search: it is only asked about problems that are shown. */
  readonly hint?: string | (() => string | undefined);
}

/** One line: `services.checkout.databse (line 12): expected one of …, found "databse"; did you mean "database"?` */
export function renderProblem({ path, line, expected, found, hint }: Problem): string {
  const where = line === undefined ? '' : ` (line ${line})`;
  const advice = hint === undefined ? '' : `; ${hint}`;
  return `${path || 'spec'}${where}: expected ${expected}, found ${found}${advice}`;
}

export function renderPath(path: Path): string {
  return path
    .map((step, i) => {
      if (typeof step === 'number') return `[${step}]`;
      if (/^[\w-]{1,63}$/.test(step)) return i === 0 ? step : `.${step}`;
      return `[${shown(step)}]`;
    })
    .join('');
}

/** A text of the author's, short and on one line, without what may be credentials in a URL. */
export function shown(text: string): string {
  const harmless = text.replace(/:\/\/[^\s/@]*@/g, '://…@');
  return JSON.stringify(harmless.length > 60 ? `${harmless.slice(0, 60)}…` : harmless);
}

/** Any value in words: scalars by their value, the rest by what they are. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return shown(value);
  return typeof value === 'object' ? kindOf(value) : String(value);
}

/** What a value is, without the value. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty mapping' : 'a mapping';
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`;
}
