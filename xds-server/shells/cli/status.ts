/** `sluice status`: one look at budgets, services, nodes and what is wrong. */
import { Command } from 'commander';
import type {
  LeadershipStatus,
  NodeStatus,
  ServiceStatus,
  Status,
  TargetStatus,
} from '../../pure/status/status.js';
import type { Address } from './address.js';
import { askBrain } from './admin-client.js';
import { adminOption, jsonOption } from './options.js';
import { type Column, printable, renderAge, renderTable } from './table.js';

export function statusCommand(): Command {
  return new Command('status')
    .description('show budgets, services, nodes and what is wrong')
    .addOption(adminOption())
    .addOption(jsonOption())
    .action(async ({ admin, json }: { admin: Address; json?: true }) => {
      const status = await askBrain<Status>(admin, '/status');
      process.stdout.write(json ? `${JSON.stringify(status, null, 2)}\n` : renderStatus(status));
    });
}

const right = { align: 'right' } as const;

const usage: readonly Column<ServiceStatus | TargetStatus>[] = [
  { title: 'TOTAL', text: (row) => row.total, ...right },
  { title: 'ACTIVE', text: (row) => row.active, ...right },
  { title: 'GRANTED', text: (row) => row.granted, ...right },
  { title: 'CLOSING', text: (row) => row.closing, ...right },
  { title: 'WAITING', text: (row) => row.waiting, ...right },
];

const targets: readonly Column<TargetStatus>[] = [
  { title: 'DATABASE', text: (row) => row.target },
  { title: 'USE', text: (row) => bar(row.total, row.budget) },
  { title: 'BUDGET', text: (row) => row.budget, ...right },
  ...usage,
  { title: 'UNCLAIMED', text: (row) => row.unclaimed, ...right },
  { title: 'OBSERVER', text: ({ observer }) => observer.problem ?? observer.state },
  { title: 'STATE', text: ({ recovering }) => (recovering ? 'counting its sessions' : 'ready') },
];

const services: readonly Column<ServiceStatus>[] = [
  { title: 'SERVICE', text: (row) => row.service },
  { title: 'USE', text: (row) => bar(row.total, row.max_connections) },
  { title: 'LIMIT', text: (row) => row.max_connections, ...right },
  ...usage,
  { title: 'HELD BY', text: (row) => (row.waiting > 0 ? (row.held_by ?? '') : '') },
  { title: 'PRIORITY', text: (row) => row.priority, ...right },
  { title: 'TENANT', text: (row) => row.tenant },
  { title: 'HOSTNAME', text: (row) => row.hostname },
];

/** What is counted, and so known to the brain that leads alone. */
const counted = new Set([
  'USE',
  ...usage.map(({ title }) => title),
  'UNCLAIMED',
  'OBSERVER',
  'STATE',
  'HELD BY',
]);

function nodes(now: number): readonly Column<NodeStatus>[] {
  const configuration = ({ convergence, types }: NodeStatus): string => {
    const unlike = types.filter((type) => type.convergence === convergence).map(({ type }) => type);
    return convergence === 'converged' ? convergence : `${convergence}: ${unlike.join(', ')}`;
  };
  return [
    { title: 'NODE', text: (node) => node.node },
    {
      title: 'CONNECTED',
      text: (node) => `${renderAge(Math.max(0, now - Date.parse(node.connected_at)))} ago`,
    },
    { title: 'XDS', text: (node) => node.stream },
    { title: 'CONFIGURATION', text: configuration },
  ];
}

const barWidth = 12;

function bar(used: number, limit: number): string {
  const share = limit > 0 ? Math.min(1, used / limit) : 0;
  const full = used > 0 ? Math.max(1, Math.floor(share * barWidth)) : 0;
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)}`;
}

export function renderStatus(status: Status): string {
  const { spec } = status;
  const parts = [
    spec.version === null
      ? `${spec.source}: no good spec yet\n`
      : `${spec.source}: ${spec.revision === null ? '' : `revision ${spec.revision}, `}version ${spec.version.slice(0, 12)}, in force since ${spec.loaded_at}\n`,
  ];
  parts.push(...leadershipLines(status.leadership).map((line) => `${printable(line)}\n`));
  const say = (heading: string, lines: readonly string[]): void => {
    if (lines.length > 0) parts.push(`${heading}\n${lines.map((line) => `  ${printable(line)}\n`).join('')}`);
  };
  if (spec.store?.problem)
    say(`The store can not be followed since ${spec.store.problem_since}, what is in force stays:`, [
      spec.store.problem,
    ]);
  say(
    spec.version === null ? 'It is not taken:' : 'The spec as it is there now is not taken:',
    spec.problems.map(({ message }) => message),
  );
  say(
    'Warnings:',
    [...spec.warnings, ...status.channel.warnings].map(({ message }) => message),
  );
  say(
    'The certificates for nodes as they are now are not taken, the old ones stay:',
    status.channel.problems.map(({ message }) => message),
  );
  say('Several are connected by one name:', doubles(status.nodes));
  const leads = status.leadership.role === 'leader';
  const known = <Row>(columns: readonly Column<Row>[]): readonly Column<Row>[] =>
    leads ? columns : columns.filter(({ title }) => !counted.has(title));
  parts.push(
    // What is null has no column.
    renderTable(known(targets), status.targets as readonly TargetStatus[]),
    renderTable(known(services), status.services as readonly ServiceStatus[]),
  );
  parts.push(
    status.nodes.length === 0
      ? 'No node is connected.\n'
      : renderTable(nodes(Date.parse(status.now)), status.nodes),
  );
  say(
    'Rejected by nodes, newest first:',
    status.rejections.map(
      ({ at, node, type, owner, message }) => `${at} ${node} ${type} ${owner ?? '?'}: ${message}`,
    ),
  );
  return parts.join('\n');
}

/** Nothing where there is one brain only. */
function leadershipLines({
  brain,
  leader,
  address,
  role,
  namesake,
  term,
  remaining_ms,
  etcd,
  followers,
  link,
}: LeadershipStatus): readonly string[] {
  if (brain === null) return [];
  const lines = [];
  if (role === 'none' && namesake)
    lines.push(
      `This is brain ${brain}. Another process leads under that id, at ${namesake}: clients wait here.`,
      'It is an earlier run of this brain, for some seconds, or one that was given its id: each needs its own (--brain).',
    );
  else if (role === 'none') lines.push(`This is brain ${brain}. No brain leads: clients wait.`);
  else if (role === 'follower')
    lines.push(
      `This is brain ${brain}. Brain ${leader} at ${address} leads, term ${term}, and has the counts.`,
    );
  else if (remaining_ms === 0)
    lines.push(
      `This is brain ${brain}. Its term ${term} is over and etcd has not renewed it: clients wait, sessions live on.`,
    );
  else
    lines.push(
      `This is brain ${brain}. It leads, term ${term}, ${remaining_ms} ms left before it is renewed.`,
    );
  if (link && !link.open)
    lines.push(
      `It has not reached it for ${renderAge(link.for_ms ?? 0)}${link.problem === null ? '' : `: ${link.problem}`}`,
    );
  if (followers.length > 0)
    lines.push(`Followers: ${followers.map(({ brain, nodes }) => `${brain} (${nodes} nodes)`).join(', ')}`);
  if (etcd) lines.push(`etcd has not answered for ${renderAge(etcd.for_ms)}: ${etcd.problem}`);
  return lines;
}

/** For a moment that is a restart; for longer it is two machines with one certificate. */
function doubles(nodes: readonly NodeStatus[]): readonly string[] {
  const peers = new Map<string, string[]>();
  for (const { node, peer } of nodes) peers.set(node, [...(peers.get(node) ?? []), peer]);
  return [...peers].filter(([, of]) => of.length > 1).map(([node, of]) => `${node}: from ${of.join(', ')}`);
}
