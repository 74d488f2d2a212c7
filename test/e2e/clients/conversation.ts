/** A list of these is what every client program is given on its standard input, and prints on its standard output. */

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Path of the CA (PEM) that the server's certificate must verify against. */
  readonly ca: string;
  /** Begin with TLS instead of asking for it, where the driver can. */
  readonly direct?: boolean;
}

export type Told =
  | {
      /** What the server calls the database that it is in. */
      readonly database: string;
      /** 21 as a parameter, doubled by the server. */
      readonly doubled: number;
      /** Sum of the numbers from 1 to 5000, each fetched as a row of its own. */
      readonly sum: number;
    }
  | {
      /** SQLSTATE, or MySQL errno; absent where the driver keeps it to itself. */
      readonly code?: string | number;
      readonly message: string;
    };
