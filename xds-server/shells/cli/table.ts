/** Rows under a heading, in columns, for a terminal. */

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string | number;
  readonly align?: 'right';
}

/** What a terminal would act on; texts of nodes and files are printed here. */
const controls = /[\p{Cc}\p{Cf}]/gu;

export const printable = (text: string): string => text.replace(controls, ' ');

export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => printable(`${column.text(row)}`))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]!.length)));
  const lines = cells.map((line) =>
    line
      .map((cell, index) =>
        columns[index]!.align === 'right' ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`. */
export function renderAge(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 100_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 6_000_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
