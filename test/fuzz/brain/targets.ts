/** The fuzz targets of the brain: every reader of bytes that somebody else wrote. */
import * as channel from './channel.js';
import * as messages from './messages.js';
import * as peerSeeds from './peer-seeds.js';
import * as peers from './peers.js';
import { questionSeeds, questions } from './questions.js';
import * as seeds from './seeds.js';
import * as texts from './text.js';

export interface BrainTarget {
  /** Throws where something is wrong. */
  readonly fuzz: (input: Buffer) => void;
  readonly seeds: readonly Buffer[];
  /** Words that mean something there. */
  readonly words?: readonly string[];
}

const specWords = [
  ...[
    'listeners:',
    'databases:',
    'tenants:',
    'services:',
    'protocol: ',
    'address: ',
    'endpoints: ',
    'capacity: auto',
  ],
  ...[
    'hostname: ',
    'allow: ',
    'cidr: ',
    'max_connections: ',
    'reserve: ',
    'workload: ',
    'idle: ',
    'tls: ',
    '<<: *a',
    '&a ',
  ],
  ...[
    '!!binary ',
    '!!map',
    '? ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '|\n',
    '>\n',
    '---\n',
    '...\n',
    '%YAML 1.1\n',
    '\t',
    '\u2028',
  ],
  ...[
    '__proto__: ',
    'constructor: ',
    '.inf',
    '.nan',
    '1e400',
    '0x10',
    '-1',
    'null',
    '~',
    '\n  ',
    '\n    ',
    '"\\u0000"',
  ],
];

const nameWords = [
  '::',
  '/',
  '.',
  ':',
  'ffff',
  '255',
  '\n',
  '*.',
  '-',
  'xn--',
  '0x',
  '[',
  ']',
  '%eth0',
  '65535',
];

export const brainTargets: Readonly<Record<string, BrainTarget>> = {
  'brain-spec': { fuzz: texts.spec, seeds: seeds.specs(), words: specWords },
  'brain-names': { fuzz: texts.names, seeds: seeds.names, words: nameWords },
  'brain-certificates': {
    fuzz: texts.certificates,
    seeds: seeds.certificates,
    words: ['%0A', '%', 'AAAA', '=='],
  },
  'brain-framing': { fuzz: channel.framing, seeds: seeds.calls },
  'brain-records': { fuzz: channel.records, seeds: seeds.reports() },
  'brain-check': { fuzz: messages.check, seeds: seeds.checks(), words: ['sluice', 'connection'] },
  'brain-report': { fuzz: messages.report, seeds: seeds.reports(), words: ['sluice', 'service/'] },
  'brain-questions': { fuzz: questions, seeds: questionSeeds, words: ['0123456789abcdef'] },
  'brain-discovery': {
    fuzz: messages.discovery,
    seeds: seeds.requests(),
    words: ['*', 'a', 'b', 'service/checkout'],
  },
  'brain-tellings': {
    fuzz: peers.tellings,
    seeds: peerSeeds.tellings(),
    words: ['checkout', 'reports', 'edge-1', 'edge-2', 'never-opened', 'proxy-closed', 'failed'],
  },
  'brain-orders': {
    fuzz: peers.orders,
    seeds: peerSeeds.orders(),
    words: ['checkout', '0123456789abcdef0123456789abcdef', 'queue_full'],
  },
};
