/** `sluice sessions`: who holds a slot. */
import { Command } from 'commander';
import type { Page, SessionStatus, Status } from '../../pure/status/status.js';
import type { Address } from './address.js';
import { askBrain } from './admin-client.js';
import { adminOption, jsonOption, limitOption, offsetOption } from './options.js';
import { type Column, printable, renderAge, renderTable } from './table.js';

const columns: readonly Column<SessionStatus>[] = [
  { title: 'SERVICE', text: (row) => row.service },
  { title: 'DATABASE', text: (row) => row.target },
  { title: 'USER', text: (row) => row.user ?? '-' },
  { title: 'CLIENT', text: (row) => row.client ?? '-' },
  { title: 'STATE', text: (row) => row.state },
  { title: 'AGE', text: (row) => renderAge(row.age_ms), align: 'right' },
  { title: 'DOES', text: ({ activity }) => activity?.state ?? '-' },
  {
    title: 'FOR',
    text: ({ activity }) => (activity?.for_ms == null ? '-' : renderAge(activity.for_ms)),
    align: 'right',
  },
  { title: 'TRANSACTIONS', text: ({ activity }) => activity?.transactions ?? '-', align: 'right' },
  { title: 'QUERIES', text: ({ activity }) => activity?.queries ?? '-', align: 'right' },
  { title: 'ERRORS', text: ({ activity }) => activity?.errors ?? '-', align: 'right' },
  { title: 'SERVER ID', text: (row) => row.server_id ?? '-', align: 'right' },
  { title: 'NODE', text: (row) => row.node },
  { title: 'CONNECTION', text: (row) => row.connection },
];

export interface ListOptions {
  readonly admin: Address;
  readonly limit: number;
  readonly offset: number;
  readonly json?: true;
}

export function sessionsCommand(): Command {
  return new Command('sessions')
    .description('list connections that hold a slot')
    .addOption(adminOption())
    .addOption(limitOption())
    .addOption(offsetOption())
    .addOption(jsonOption())
    .action(async ({ admin, limit, offset, json }: ListOptions) => {
      const page = await askBrain<Page<SessionStatus>>(admin, `/sessions?limit=${limit}&offset=${offset}`);
      process.stdout.write(json ? `${JSON.stringify(page, null, 2)}\n` : renderPage(columns, page));
      await sayWhoKnows(admin);
    });
}

/** The lists are the leader's: on any other brain they are empty. */
export async function sayWhoKnows(admin: Address): Promise<void> {
  const { leadership } = await askBrain<Status>(admin, '/status');
  if (leadership.role === 'leader') return;
  const who =
    leadership.role === 'follower'
      ? `brain ${leadership.leader} at ${leadership.address} leads and has the list`
      : 'no brain leads: nobody has the list';
  process.stderr.write(`sluice: ${printable(who)}\n`);
}

export function renderPage<Row>(columns: readonly Column<Row>[], page: Page<Row>): string {
  const last = page.offset + page.rows.length;
  const part =
    page.rows.length < page.total ? `${page.rows.length ? `${page.offset + 1} to ${last}` : 'none'} of ` : '';
  return `${renderTable(columns, page.rows)}${part}${page.total} in all\n`;
}
