/** `sluice waiting`: who waits for a slot, first in line first. */
import { Command } from 'commander';
import type { Page, WaiterStatus } from '../../pure/status/status.js';
import { askBrain } from './admin-client.js';
import { adminOption, jsonOption, limitOption, offsetOption } from './options.js';
import { type ListOptions, renderPage, sayWhoKnows } from './sessions.js';
import { type Column, renderAge } from './table.js';

const columns: readonly Column<WaiterStatus>[] = [
  { title: 'SERVICE', text: (row) => row.service },
  { title: 'DATABASE', text: (row) => row.target },
  { title: 'CLIENT', text: (row) => row.client ?? '-' },
  { title: 'PRIORITY', text: (row) => row.priority, align: 'right' },
  { title: 'WAITED', text: (row) => renderAge(row.waited_ms), align: 'right' },
  { title: 'AT MOST', text: (row) => renderAge(row.timeout_ms), align: 'right' },
  { title: 'NODE', text: (row) => row.node },
  { title: 'CONNECTION', text: (row) => row.connection },
];

export function waitingCommand(): Command {
  return new Command('waiting')
    .description('list clients that wait for a slot')
    .addOption(adminOption())
    .addOption(limitOption())
    .addOption(offsetOption())
    .addOption(jsonOption())
    .action(async ({ admin, limit, offset, json }: ListOptions) => {
      const page = await askBrain<Page<WaiterStatus>>(admin, `/waiting?limit=${limit}&offset=${offset}`);
      process.stdout.write(json ? `${JSON.stringify(page, null, 2)}\n` : renderPage(columns, page));
      await sayWhoKnows(admin);
    });
}
