import { stringify } from 'yaml';

/** A sound spec for tests, which each test then changes in one place. Not part of the program. */
export function soundSpec(): Changeable {
  return {
    listeners: {
      pg: {
        protocol: 'postgres',
        address: '0.0.0.0:5432',
        tls: { certificate: { chain: 'front.pem', key: 'front.key' }, client_ca: 'clients.pem' },
      },
      mysql: {
        protocol: 'mysql',
        address: '0.0.0.0:3306',
        tls: { certificate: { chain: 'front.pem', key: 'front.key' } },
        default_service: 'reports',
      },
    },
    databases: {
      orders: {
        engine: 'postgres',
        endpoints: [
          { host: '10.0.0.5', port: 5432, role: 'primary' },
          { host: '10.0.0.6', port: 5432, role: 'replica' },
        ],
        capacity: 100,
        reserve: 10,
        observer: { user: 'sluice_observer', password: { file: 'orders.password' } },
      },
      warehouse: {
        engine: 'mariadb',
        version: '10.11',
        endpoints: [{ host: 'warehouse.example.com', port: 3306 }],
        capacity: 60,
        reserve: 5,
        observer: { user: 'sluice_observer', password: { env: 'WAREHOUSE_PASSWORD' } },
      },
    },
    tenants: { shop: { max_connections: 120 }, analytics: {} },
    services: {
      checkout: {
        hostname: 'checkout.orders.db.example.com',
        tenant: 'shop',
        database: 'orders',
        max_connections: 40,
        guaranteed: 10,
        allow: [
          { principal: 'spiffe://shop/checkout' },
          { cidr: '10.1.0.0/16', user: 'checkout', db: 'orders' },
        ],
      },
      search: {
        hostname: 'search.orders.db.example.com',
        tenant: 'shop',
        database: 'orders',
        db_role: 'replica',
        max_connections: 80,
        allow: [{ user: 'search' }],
        certificate: { chain: 'search.pem', key: 'search.key' },
      },
      reports: {
        hostname: 'reports.db.example.com',
        tenant: 'analytics',
        database: 'warehouse',
        max_connections: 20,
        allow: [{ user: 'reports' }],
      },
    },
  };
}

export interface Changeable {
  [key: string]: unknown;
}

export const leftOut = Symbol('left out');

/** The sound spec as YAML with `value` at `path` (steps of objects and lists, by dots). */
export function changed(path: string, value: unknown): string {
  return yaml([[path, value]]);
}

export function yaml(changes: readonly (readonly [path: string, value: unknown])[] = []): string {
  const spec = soundSpec();
  for (const [path, value] of changes) {
    const steps = path.split('.');
    const last = steps.pop()!;
    let at = spec;
    for (const step of steps) {
      at[step] ??= {};
      at = at[step] as Changeable;
    }
    if (value === leftOut) delete at[last];
    else at[last] = value;
  }
  return stringify(spec);
}
