/** `sluice bootstrap`: the file that an Envoy is started with. All else it gets from the brain. */
import { Command, InvalidArgumentError } from 'commander';
import { stringify } from 'yaml';
import { bootstrap } from '../../pure/snapshot/bootstrap.js';
import { Encoder } from '../../pure/snapshot/encoder.js';
import { EnvoyApi } from '../envoy-api/envoy-api.js';
import { type Address, parseAddress } from './address.js';
import { jsonOption } from './options.js';

interface Options {
  readonly node: string;
  readonly xds: Address;
  readonly admin?: Address;
  readonly json?: true;
}

export function bootstrapCommand(): Command {
  return new Command('bootstrap')
    .description("print an Envoy's bootstrap")
    .requiredOption('--node <id>', 'name of this Envoy, unlike that of any other', nodeId)
    .requiredOption('--xds <address>', 'where the brain serves (sluice serve --xds)', parseAddress)
    .option('--admin <address>', "Envoy's own admin interface; without it, it has none", parseAddress)
    .addOption(jsonOption())
    .action(({ node, xds, admin, json }: Options) => {
      const encoder = new Encoder(EnvoyApi.load().root);
      const text = bootstrap({ node, xds, ...(admin && { admin }) }, encoder);
      process.stdout.write(json ? `${JSON.stringify(text, null, 2)}\n` : stringify(text));
    });
}

/** It travels as a header and stands in logs, metrics and lists. */
function nodeId(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text)) return text;
  throw new InvalidArgumentError('Expected 1 to 128 of: letters, digits, dot, dash, underscore.');
}
