/** Cancel requests of Postgres, as a driver sends them for a session of its own. */
import type pg from 'pg';

/** What a server knows a session by that is to be cancelled. */
export interface Key {
  readonly pid: number;
  readonly secret: Buffer;
}

export function keyOf(client: pg.Client): Key {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const secret = Buffer.alloc(4);
  secret.writeInt32BE(secretKey);
  return { pid: processID, secret };
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST */
export function cancelRequest({ pid, secret }: Key): Buffer {
  const message = Buffer.alloc(12 + secret.length);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(80_877_102, 4);
  message.writeUInt32BE(pid, 8);
  message.set(secret, 12);
  return message;
}
