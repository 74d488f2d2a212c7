/**
 * docker-compose.yml cannot be run where there is no Docker engine, so what can be known without one is tested: it
 * parses, each file it mounts or copies is there, each command exists, and the parts agree with each other.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { nodeIdentity } from '../xds-server/pure/identity/node-identity.js';
import { parseSpec } from '../xds-server/pure/spec/parse-spec.js';
import { sluiceProgram } from './harness/program.js';
import { scratchFolder } from './harness/scratch.js';

const top = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(top, file), 'utf8');

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly network_mode?: string;
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const compose = parse(read('docker-compose.yml')) as Compose;
const services = Object.entries(compose.services);

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly isFile: boolean;
}

function mountsOf(service: Service): Mount[] {
  return (service.volumes ?? []).map((volume) => {
    const [source = '', target = ''] = volume.split(':');
    return { source, target, isFile: source.startsWith('.') };
  });
}

/** `COPY` sources that come from the checkout and not from another stage. */
function copied(dockerfile: string): string[] {
  return [...read(dockerfile).matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words]) =>
    words!.split(' ').slice(0, -1),
  );
}

test('every service has an image of a fixed version or a Dockerfile, whose files are all there', () => {
  for (const [name, { image, build }] of services) {
    if (image !== undefined) assert.match(image, /^[\w./-]+:\d[\w.-]*$/, name);
    else {
      assert.equal(build?.context, '.', name);
      for (const source of copied(build!.dockerfile))
        assert.ok(existsSync(path.join(top, source)), `${build!.dockerfile} copies ${source}`);
      for (const [, base] of read(build!.dockerfile).matchAll(/^FROM (\S+)/gm))
        assert.match(base!, /:\w*\d/, base);
    }
  }
});

test('every mounted file and folder is there, and what a container runs is a program', () => {
  for (const [name, service] of services) {
    for (const { source, target, isFile } of mountsOf(service)) {
      if (!isFile) assert.ok(source in compose.volumes, `${name}: volume ${source}`);
      else assert.ok(statSync(path.join(top, source)), `${name}: ${source}`);
      if (source.endsWith('.sh')) {
        accessSync(path.join(top, source), constants.X_OK);
        execFileSync('sh', ['-n', path.join(top, source)]);
      }
      if (service.entrypoint?.includes(target)) assert.ok(isFile, `${name} runs ${target}`);
    }
  }
});

test('services wait for services that exist and share the namespace of one that does', () => {
  for (const [name, { depends_on = [], network_mode }] of services) {
    const needed = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on);
    if (network_mode !== undefined) needed.push(network_mode.replace('service:', ''));
    for (const one of needed) assert.ok(one in compose.services, `${name} needs ${one}`);
  }
});

test('what a checkout has built, and its passwords, get into no image and no commit', () => {
  const left = read('.dockerignore').split('\n');
  for (const kept of ['.env', 'build', 'node_modules', 'filters/target'])
    assert.ok(left.includes(kept), kept);
  assert.ok(read('.gitignore').split('\n').includes('.env'));
});

test('the brain’s command is one that the program has, with options that it knows', () => {
  const [command = '', ...rest] = compose.services.brain!.command!;
  const help = execFileSync(process.execPath, [...sluiceProgram(), command, '--help'], {
    encoding: 'utf8',
  });
  for (const option of rest) assert.match(help, new RegExp(`^ +${option.split('=')[0]}\\b`, 'm'));
  assert.match(
    read('xds-server/Dockerfile'),
    /ENTRYPOINT \["node", "\/sluice\/build\/js\/xds-server\/main\.js"\]/,
  );
});

test('the spec that the brain is given is good and asks for nothing that the container has not', () => {
  const brain = compose.services.brain!;
  const file = optionOf('spec');
  const mount = mountsOf(brain).find(({ target }) => file.startsWith(`${target}/`));
  assert.ok(mount, `${file} is not mounted`);
  const parsed = parseSpec(read(path.join(mount.source, path.relative(mount.target, file))));
  assert.ok(parsed.ok, JSON.stringify(parsed));
  for (const [name, database] of Object.entries(parsed.spec.databases)) {
    for (const { host } of database.endpoints) assert.ok(host in compose.services, `${name} is at ${host}`);
    const { password } = database.observer;
    assert.ok('env' in password && password.env in brain.environment!, `${name}: password of the observer`);
  }
  const made = read('envoy/compose/make-certificates.sh');
  for (const { tls } of Object.values(parsed.spec.listeners)) {
    for (const certificate of [tls.certificate.chain, tls.certificate.key])
      assert.ok(isMade(certificate), `${certificate} is not made`);
  }
  for (const { hostname } of Object.values(parsed.spec.services))
    assert.ok(
      made.includes(`DNS:*.${hostname.split('.').slice(1).join('.')}`),
      `no certificate for ${hostname}`,
    );
});

test('each password has a line in env.example, and none has a value anywhere else', () => {
  const given = [...read('envoy/compose/env.example').matchAll(/^(\w+)=/gm)].map(([, name]) => name!);
  const asked = new Set<string>();
  for (const [name, { environment = {} }] of services) {
    for (const [variable, value] of Object.entries(environment)) {
      if (!variable.includes('PASSWORD')) continue;
      const [, from] = /^\$\{(\w+):\?/.exec(value) ?? [];
      assert.ok(from, `${name}: ${variable}`);
      asked.add(from);
    }
  }
  assert.deepEqual([...asked].sort(), given.sort());
});

/** What `sluice serve` is told. */
function optionOf(name: string): string {
  const word = compose.services.brain!.command!.find((one) => one.startsWith(`--${name}=`));
  assert.ok(word, `--${name}`);
  return word.slice(name.length + 3);
}

/** Whether make-certificates.sh leaves a file there. */
function isMade(file: string): boolean {
  const made = read('envoy/compose/make-certificates.sh');
  const [, folder, name] = /^\/certificates\/(?:(\w+)\/)?([\w-]+\.pem)$/.exec(file) ?? [];
  if (name === undefined) return false;
  return folder === undefined
    ? made.includes(`-out ${name}`)
    : new RegExp(`^issue ${folder} `, 'm').test(made) && ['certificate.pem', 'key.pem'].includes(name);
}

test('node and brain are given certificates that are made, each with the name that the other looks for', () => {
  for (const name of ['xds-certificate', 'xds-key', 'xds-client-ca'])
    assert.ok(isMade(optionOf(name)), `--${name}`);
  const made = read('envoy/compose/make-certificates.sh');
  const [, node] = /^issue node URI:\S+\/node\/(\S+) clientAuth /m.exec(made) ?? [];
  assert.equal(node, (parse(read('envoy/etc/bootstrap.yaml')) as { node: { id: string } }).node.id);
  assert.match(read('envoy/etc/bootstrap.yaml'), /exact: brain$/m);
  assert.match(made, /^issue brain DNS:brain serverAuth /m);
  for (const file of ['certificate', 'ca'])
    for (const [, pem] of read(`envoy/etc/${file}.yaml`).matchAll(/filename: (\S+)/g))
      assert.ok(isMade(pem!), `${file}.yaml: ${pem}`);
});

test('certificates are made as the script says, and made once', () => {
  const folder = scratchFolder('compose-certificates');
  const script = path.join(folder, 'make.sh');
  // Only root may give a key to somebody else.
  const text = read('envoy/compose/make-certificates.sh').replace('cd /certificates', `cd ${folder}`);
  writeFileSync(script, text.replace('chown "$4"', 'true'));
  execFileSync('sh', [script], { stdio: 'ignore' });
  const certificate = readFileSync(path.join(folder, 'node/certificate.pem'), 'utf8');
  const { subjectAltName } = new X509Certificate(certificate);
  assert.deepEqual(nodeIdentity(subjectAltName), { kind: 'node', node: 'envoy-1' });
  execFileSync('sh', [script], { stdio: 'ignore' });
  assert.equal(readFileSync(path.join(folder, 'node/certificate.pem'), 'utf8'), certificate);
});

test('the files that Envoy is started with are what `sluice bootstrap` writes', () => {
  const folder = scratchFolder('compose-bootstrap');
  const words = [
    ...['bootstrap', '--node', 'envoy-1', '--xds', `brain:${optionOf('xds').split(':')[1]}`],
    ...['--tls-certificate', '/certificates/node/certificate.pem', '--tls-key', '/certificates/node/key.pem'],
    ...['--tls-ca', '/certificates/ca.pem', '--into', folder, '--as', '/etc/envoy'],
  ];
  execFileSync(process.execPath, [...sluiceProgram(), ...words]);
  assert.deepEqual(readdirSync(folder).sort(), readdirSync(path.join(top, 'envoy/etc')).sort());
  for (const file of readdirSync(folder))
    assert.equal(read(path.join('envoy/etc', file)), readFileSync(path.join(folder, file), 'utf8'), file);
  assert.ok(compose.services.envoy!.volumes!.includes('./envoy/etc:/etc/envoy:ro'));
});

test('Envoy’s image is of the pinned version and finds the filters where they are put', () => {
  const dockerfile = read('envoy/Dockerfile');
  assert.ok(dockerfile.includes(`FROM envoyproxy/envoy:v${read('envoy/VERSION').trim()}\n`));
  const [, folder] = /ENV ENVOY_DYNAMIC_MODULES_SEARCH_PATH=(\S+)/.exec(dockerfile) ?? [];
  assert.ok(dockerfile.includes(` ${folder}/libsluice.so\n`));
});
