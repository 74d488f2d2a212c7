/** One way to a Postgres, as the load meets it. */
export interface Front {
  readonly name: FrontName;
  readonly host: string;
  readonly port: number;
  /** Sent as SNI. */
  readonly hostname: string;
  /** TLS at once; otherwise Postgres' own TLS request comes first. */
  readonly direct: boolean;
  /** Processes between client and database, by what they are. */
  readonly processes: Readonly<Record<string, number>>;
}

export const frontNames = ['direct', 'envoy', 'sluice', 'traefik', 'pgbouncer'] as const;
export type FrontName = (typeof frontNames)[number];

/** Of every database of the bench, and its one account. */
export const account = { name: 'ann', password: 'correct horse' } as const;
export const database = 'orders';
