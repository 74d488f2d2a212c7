/** What a series of a service is told by. */
export interface ServiceLabels {
  readonly tenant: string;
  readonly service: string;
  readonly database: string;
  readonly db_role: string;
}

export const byService = ['tenant', 'service', 'database', 'db_role'] as const;
