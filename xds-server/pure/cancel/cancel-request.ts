/** Postgres: a client asks for the statement of a session to be cancelled. */
export interface CancelRequest {
  readonly pid: number;
  readonly secret: Uint8Array;
  /** Of whoever asks. */
  readonly address: string;
  /** Server name of his TLS; absent or empty: none was sent. */
  readonly serverName?: string;
}
