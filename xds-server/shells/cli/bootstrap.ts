/** `sluice bootstrap`: the file that an Envoy is started with. All else it gets from the brain. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { stringify } from 'yaml';
import {
  type BootstrapOptions,
  bootstrap,
  bootstrapProblems,
  bootstrapSecrets,
  type NodeFiles,
} from '../../pure/snapshot/bootstrap.js';
import { Encoder } from '../../pure/snapshot/encoder.js';
import type { JsonObject } from '../../pure/snapshot/proto-json.js';
import { renderProblem } from '../../pure/spec/problem.js';
import { EnvoyApi } from '../envoy-api/envoy-api.js';
import { type Address, parseAddress, parseNamedAddress } from './address.js';
import { jsonOption } from './options.js';
import { AnswerIsNo } from './program.js';

interface Options {
  readonly node: string;
  readonly xds: readonly Address[];
  readonly admin?: Address;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly tlsServerName?: string;
  readonly into?: string;
  readonly as?: string;
  readonly json?: true;
}

/** What is written into a folder. */
const fileOf = { bootstrap: 'bootstrap.yaml', certificate: 'certificate.yaml', ca: 'ca.yaml' } as const;

export function bootstrapCommand(): Command {
  return new Command('bootstrap')
    .description("print an Envoy's bootstrap, or write it with the files that it needs")
    .requiredOption('--node <id>', 'name of this Envoy, unlike that of any other')
    .requiredOption(
      '--xds <address>',
      'where the brain serves (sluice serve --xds); once for each of several',
      (text: string, others: readonly Address[] = []) => [...others, parseNamedAddress(text)],
    )
    .option(
      '--admin <address>',
      "Envoy's own admin interface, on loopback; without it, it has none",
      parseAddress,
    )
    .option('--tls-certificate <file>', "the node's certificate chain, PEM; without it there is no TLS")
    .option('--tls-key <file>', 'its private key, in the same folder')
    .option('--tls-ca <file>', "the CA of the brain's certificate")
    .option('--tls-server-name <name>', "name in the brain's certificate; a host of --xds without it")
    .option('--into <folder>', 'with TLS: where bootstrap.yaml, certificate.yaml and ca.yaml are written')
    .option('--as <folder>', 'what that folder is called on the node; the same without it')
    .addOption(jsonOption())
    .action((options: Options, command: Command) => {
      const wrong = (what: string): never => command.error(`error: ${what}`);
      const { node, xds, admin, into, json } = options;
      const files = nodeFiles(options, wrong);
      if (files && into === undefined) return wrong('with TLS there are three files: expected --into');
      if (!files && into !== undefined)
        return wrong('without TLS there is one file, which is printed: found --into');
      if (options.as !== undefined && into === undefined) return wrong('expected --as beside --into only');
      const folder = into === undefined ? '' : (options.as ?? path.resolve(into));
      if (into !== undefined && !path.isAbsolute(folder))
        return wrong('expected --as to be an absolute path');
      const wanted: BootstrapOptions = {
        ...{ node, xds },
        ...(admin && { admin }),
        ...(files && {
          tls: {
            secrets: { certificate: path.join(folder, fileOf.certificate), ca: path.join(folder, fileOf.ca) },
            serverNames:
              options.tlsServerName === undefined
                ? [...new Set(xds.map(({ host }) => host))]
                : [options.tlsServerName],
          },
        }),
      };
      const problems = bootstrapProblems(wanted);
      if (problems.length > 0) wrong(problems.map(renderProblem).join('\n'));
      const encoder = new Encoder(EnvoyApi.load().root);
      const document = bootstrap(wanted, encoder);
      const render = (one: JsonObject): string =>
        json ? `${JSON.stringify(one, null, 2)}\n` : stringify(one);
      if (!files || into === undefined) {
        process.stdout.write(render(document));
        return;
      }
      const all = { bootstrap: document, ...bootstrapSecrets(files, encoder) };
      for (const [name, one] of Object.entries(all))
        process.stdout.write(`${write(into, fileOf[name as keyof typeof fileOf], render(one))}\n`);
    });
}

/** @throws AnswerIsNo */
function write(folder: string, name: string, text: string): string {
  const file = path.join(folder, name);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
  } catch (error) {
    throw new AnswerIsNo(`--into: expected a folder that can be written to: ${(error as Error).message}`);
  }
  return file;
}

/** They need not be here: they are the node's. */
function nodeFiles(options: Options, wrong: (what: string) => never): NodeFiles | undefined {
  const { tlsCertificate, tlsKey, tlsCa, tlsServerName } = options;
  if (!tlsCertificate && !tlsKey && !tlsCa) {
    if (tlsServerName) wrong('expected --tls-certificate, --tls-key and --tls-ca beside --tls-server-name');
    return undefined;
  }
  if (!tlsCertificate || !tlsKey || !tlsCa)
    return wrong('expected --tls-certificate, --tls-key and --tls-ca, all of them or none');
  const files = { certificate: tlsCertificate, key: tlsKey, ca: tlsCa };
  for (const [name, file] of Object.entries(files))
    if (!path.isAbsolute(file)) wrong(`expected an absolute path for --tls-${name}, found ${file}`);
  // Envoy watches the certificate's folder for both.
  if (path.dirname(files.certificate) !== path.dirname(files.key))
    wrong('expected --tls-certificate and --tls-key in one folder');
  return files;
}
