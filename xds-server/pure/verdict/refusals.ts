/** Why a client was refused, as the rest of the brain passes it on. The table of texts and codes is in this folder. */
export interface Refusal {
  /** Row of the table in docs/errors.md, and the `reason` label of `sluice_refusals_total`. */
  readonly reason: string;
  /** SQLSTATE for Postgres and MySQL (five characters). */
  readonly sqlstate: string;
  /** MySQL errno. */
  readonly errno: number;
  /** One sentence: which limit, how full, how long waited. */
  readonly message: string;
  readonly hint?: string;
  /** Whether a driver may try the same again with a chance. */
  readonly retryable: boolean;
}
