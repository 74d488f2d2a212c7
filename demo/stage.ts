/** What the demo prints: short steps, one line that moves where there is a terminal, and a table at the end. */

export interface Finding {
  /** What is claimed, as a sentence. */
  readonly claim: string;
  /** What was seen, with numbers. */
  readonly seen: string;
  readonly holds: boolean;
}

const styles = { bold: 1, dim: 2, red: 31, green: 32 } as const;
const widest = 100;

export class Stage {
  readonly #out: NodeJS.WriteStream;
  readonly #isTerminal: boolean;
  #acts = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#isTerminal = out.isTTY && process.env.TERM !== 'dumb' && !process.env.NO_COLOR;
  }

  act(title: string): void {
    this.#acts += 1;
    this.say(`\n${this.style('bold', `${this.#acts}. ${title}`)}`);
  }

  say(text: string): void {
    this.#wipe();
    this.#out.write(`${text}\n`);
  }

  /** Replaces itself; nothing without a terminal. */
  live(text: string): void {
    if (!this.#isTerminal) return;
    this.#wipe();
    this.#out.write(text.slice(0, this.#out.columns - 1));
  }

  style(name: keyof typeof styles, text: string): string {
    return this.#isTerminal ? `\x1b[${styles[name]}m${text}\x1b[0m` : text;
  }

  columns(rows: readonly (readonly string[])[]): void {
    const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
    for (const row of rows)
      this.say(`   ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd());
  }

  findings(findings: readonly Finding[]): void {
    const width = Math.min(widest, Math.max(...findings.map(({ claim }) => claim.length)));
    this.say('');
    for (const { claim, seen, holds } of findings) {
      const mark = holds ? this.style('green', 'holds') : this.style('red', 'FAILS');
      this.say(` ${mark}  ${claim.padEnd(width)}  ${this.style('dim', seen)}`);
    }
  }

  #wipe(): void {
    if (this.#isTerminal) this.#out.write('\r\x1b[K');
  }
}

/** `███████░░░` */
export function bar(part: number, whole: number, width = whole): string {
  const full = Math.min(width, Math.round((part / whole) * width));
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}
