/** `sluice bootstrap`: the file that an Envoy is started with. All else it gets from the brain. */
import { Command } from 'commander';
import { stringify } from 'yaml';
import { bootstrap, bootstrapProblems } from '../../pure/snapshot/bootstrap.js';
import { Encoder } from '../../pure/snapshot/encoder.js';
import { renderProblem } from '../../pure/spec/problem.js';
import { EnvoyApi } from '../envoy-api/envoy-api.js';
import { type Address, parseAddress, parseRemoteAddress } from './address.js';
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
    .requiredOption('--node <id>', 'name of this Envoy, unlike that of any other')
    .requiredOption('--xds <address>', 'where the brain serves (sluice serve --xds)', parseRemoteAddress)
    .option('--admin <address>', "Envoy's own admin interface; without it, it has none", parseAddress)
    .addOption(jsonOption())
    .action(({ json, ...options }: Options, command: Command) => {
      const problems = bootstrapProblems(options);
      if (problems.length > 0) command.error(problems.map(renderProblem).join('\n'));
      const document = bootstrap(options, new Encoder(EnvoyApi.load().root));
      process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : stringify(document));
    });
}
