/** Targets: what operators write, and what clients are called. */
import { strict as assert } from 'node:assert';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { formatAddress } from '../../../xds-server/pure/plan/address.js';
import { explainPlan } from '../../../xds-server/pure/plan/explain-plan.js';
import { planOf } from '../../../xds-server/pure/plan/plan-of.js';
import { isHostname, isWildcard } from '../../../xds-server/pure/spec/hostname.js';
import { formatIp, maskOf, parseAddress, parseCidr, parseIp } from '../../../xds-server/pure/spec/ip.js';
import { parseSpec } from '../../../xds-server/pure/spec/parse-spec.js';
import { renderProblem } from '../../../xds-server/pure/spec/problem.js';
import { addressBytes, isWithin } from '../../../xds-server/pure/verdict/network.js';
import { CertificateNames } from '../../../xds-server/shells/authz/certificate-names.js';
import { parseAddress as parseOption } from '../../../xds-server/shells/cli/address.js';
import { nodes } from './channel.js';

/** Any text is a spec that can be planned and explained, or problems that can be shown; never both, never neither. */
export function spec(input: Buffer): void {
  const text = input.toString('utf8');
  const parsed = parseSpec(text);
  if (parsed.ok) {
    for (const line of explainPlan(planOf(parsed.spec))) assert.equal(typeof line, 'string');
    return;
  }
  assert.ok(
    parsed.problems.length > 0 && parsed.problems.length <= 201,
    `${parsed.problems.length} problems`,
  );
  for (const problem of parsed.problems) {
    const line = renderProblem(problem);
    assert.ok(line.length < 4_096 && !line.includes('\n'), `a problem of ${line.length} characters: ${line}`);
  }
}

/** The same text as everything that a name or an address can be. */
export function names(input: Buffer): void {
  const [text = '', other = ''] = input.toString('utf8').split('\n', 2);
  addresses(text, other);
  hostnames(text);
  options(text);
}

/** Addresses are those of node:net, and are written in one way; a network holds what node:net says it holds. */
function addresses(text: string, other: string): void {
  const ip = parseIp(text);
  const known = isIPv4(text) ? 4 : isIPv6(text) && !text.includes('%') ? 16 : undefined;
  assert.equal(ip?.length, known, `parseIp(${JSON.stringify(text)})`);
  if (ip) {
    const written = formatIp(ip);
    assert.deepEqual(parseIp(written), ip);
    assert.equal(formatIp(parseIp(written)!), written);
  }
  const cidr = parseCidr(other);
  if (cidr) {
    const masked = maskOf(cidr);
    assert.equal(masked.length, cidr.network.length);
    assert.deepEqual(maskOf({ network: masked, prefix: cidr.prefix }), masked);
  }
  const host = addressBytes(text);
  if (host && cidr && cidr.network.length === host.length) {
    const list = new BlockList();
    list.addSubnet(formatIp(cidr.network), cidr.prefix, host.length === 4 ? 'ipv4' : 'ipv6');
    const expected = list.check(formatIp(host), host.length === 4 ? 'ipv4' : 'ipv6');
    assert.equal(isWithin(text, other), expected, `${text} in ${other}`);
  }
  if (!host || !cidr) assert.equal(isWithin(text, other), false);
  const listener = parseAddress(text);
  if (listener) assert.ok(listener.port > 0 && listener.port < 65_536 && parseIp(listener.host));
}

/** Names are names of URLs too, and short ones. */
function hostnames(text: string): void {
  if (isHostname(text)) {
    assert.ok(/^[a-z0-9.-]{1,253}$/i.test(text) && parseIp(text) === undefined);
    // Where that is no URL, it is for Punycode that is none.
    const host = URL.parse?.(`http://${text}/`)?.hostname;
    assert.ok(host === undefined || host === text.toLowerCase());
  }
  if (isWildcard(text)) {
    assert.ok(!isHostname(text) && isHostname(text.slice(2)));
  }
}

/** An option is an address that is written as it is read, or a usage message. */
function options(text: string): void {
  try {
    const address = parseOption(text);
    assert.ok(address.port >= 0 && address.port <= 65_535 && parseIp(address.host));
    assert.deepEqual(parseOption(formatAddress(address)), address);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
  }
}

/** No text is a certificate with a name that could be taken for two, or names a node that could be taken for another. */
export function certificates(input: Buffer): void {
  for (const name of new CertificateNames().of(input.toString('utf8')))
    assert.ok(!name.includes(', ') && !name.includes('"'), name);
  nodes(input.toString('utf8'));
}
