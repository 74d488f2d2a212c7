/**
 * Reads a node's error text: which of the resources in a response it refuses, and whether it took the others.
 * Pure text; what follows from it is decided in delivery.ts.
 */

export interface RejectionReading {
  /** Those of the candidates that the text names. */
  readonly named: readonly string[];
  /** Whether the node applied everything else in the response. */
  readonly othersApplied: boolean;
}

/**
 * Envoy goes through the clusters or listeners of a response one by one and lists at the end those that failed:
 * `Error adding/updating cluster(s) a: …, b: …`. Any other text (a resource that does not decode or does not pass
 * its constraints) means that it stopped before applying anything, or somewhere in the middle.
 */
const APPLIED_ONE_BY_ONE = /^Error adding\/updating (cluster|listener)\(s\) /;

/** Of a text that is longer than 4,096 characters Envoy sends so many, and this. */
const CUT_OFF = '...(truncated)';
/** More than Envoy sends, and more than is looked at: each name is looked for in all of it. */
const MAX_READ_CHARS = 8_192;

export function readRejection(message: string, candidates: readonly string[]): RejectionReading {
  const isCutOff = message.length > MAX_READ_CHARS || message.endsWith(CUT_OFF);
  const text = isCutOff ? message.slice(0, MAX_READ_CHARS).replace(CUT_OFF, '') : message;
  // What the text ends in the middle of may be a longer name; and of those behind the cut nothing is known.
  const named = candidates.filter((name) => mentions(isCutOff ? `${text}-` : text, name));
  return { named, othersApplied: named.length > 0 && !isCutOff && APPLIED_ONE_BY_ONE.test(text) };
}

/** Whether the name stands in the text as a whole: `service/a` is not mentioned by `service/ab` or `x.service/a`. */
function mentions(text: string, name: string): boolean {
  if (name === '') return false;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = text.slice(Math.max(0, at - 1), at);
    const after = text.slice(at + name.length, at + name.length + 2);
    if (!/[\w./*-]/.test(before) && !/^([\w/*-]|\.[\w*])/.test(after)) return true;
  }
  return false;
}

const MAX_MESSAGE_CHARS = 1000;

/**
 * The text as it may be shown and logged. Envoy quotes the refused message in full, and in a secret that includes the
 * private key: of a secret's rejection only what stands before the quoted message is kept.
 */
export function showableMessage(message: string, isSecret: boolean): string {
  const quoted = isSecret ? message.search(/[{"\n]|\binline_|private_key|-----BEGIN|\b[a-z_]+: /) : -1;
  const kept = quoted >= 0 ? `${message.slice(0, quoted)}…` : message;
  return kept.length > MAX_MESSAGE_CHARS ? `${kept.slice(0, MAX_MESSAGE_CHARS)}…` : kept;
}
