import type { Plan, ServicePlan, TargetPlan } from './plan.js';

/**
 * The plan in words, one line each, for `sluice check`: what every target gives, and who may take how much of it.
 * Limits may add up to more than the budget (services then share what there is); guaranteed shares never do.
 */
export function explainPlan(plan: Plan): readonly string[] {
  const lines: string[] = [];
  for (const target of plan.targets.values()) {
    const services = [...plan.services.values()].filter((each) => each.target === target.name);
    lines.push(...targetLines(target), ...sumLines(target, services), ...services.map(serviceLine));
  }
  for (const { name, maxConnections } of plan.tenants.values()) {
    const services = [...plan.services.values()].filter(({ tenant }) => tenant === name);
    const limit = maxConnections === undefined ? 'no limit of its own' : `at most ${maxConnections}`;
    const sum = total(services, 'maxConnections');
    lines.push(
      `tenant ${name}: ${limit}, ${counted(services.length, 'service')} with limits of ${sum} in all`,
    );
  }
  for (const { name, protocol, address, defaultService, allowPlaintext } of plan.listeners.values()) {
    const unnamed =
      defaultService === undefined ? 'refuses clients without a server name' : `default ${defaultService}`;
    const plaintext = allowPlaintext ? ', plaintext allowed' : '';
    lines.push(
      `listener ${name}: ${protocol} on ${address.host} port ${address.port}, ${unnamed}${plaintext}`,
    );
  }
  return lines;
}

function targetLines({ name, engine, version, budget, reserve, endpoints }: TargetPlan): string[] {
  const kind = version === undefined ? engine : `${engine} ${version}`;
  const servers = endpoints.map(({ host, port }) => `${host} port ${port}`).join(', ');
  return [
    `database ${name} (${kind} at ${servers}): capacity ${budget + reserve}, reserve ${reserve}, budget ${budget}`,
  ];
}

function sumLines({ budget }: TargetPlan, services: readonly ServicePlan[]): string[] {
  if (services.length === 0) return ['  no service uses it'];
  const limits = total(services, 'maxConnections');
  const guaranteed = total(services, 'guaranteed');
  const share =
    limits > budget
      ? `${(limits / budget).toFixed(2)} × the budget: oversubscribed, they share it`
      : `${Math.round((limits / budget) * 100)} % of the budget`;
  return [`  ${counted(services.length, 'service')}: limits ${limits} = ${share}; guaranteed ${guaranteed}`];
}

function serviceLine(service: ServicePlan): string {
  const { name, hostname, tenant, maxConnections, guaranteed, killReserve, maxQueue, timeoutMs, priority } =
    service;
  const forKill = killReserve > 0 ? ` (${killReserve} of them to KILL)` : '';
  return (
    `  service ${name} (${hostname}, tenant ${tenant}): at most ${maxConnections}${forKill}, guaranteed ${guaranteed}, ` +
    `queue ${maxQueue} for ${timeoutMs} ms, priority ${priority}`
  );
}

function total(services: readonly ServicePlan[], field: 'maxConnections' | 'guaranteed'): number {
  return services.reduce((sum, service) => sum + service[field], 0);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
