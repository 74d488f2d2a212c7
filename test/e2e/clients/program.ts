import { readFileSync } from 'node:fs';
import type { Login, Told } from './conversation.js';

/** Runs a client written for Node: one login in, what it was told out; a driver's error is an answer too. */
export async function converse(
  ask: (login: Login & { readonly caText: string }) => Promise<Told>,
): Promise<void> {
  const login = JSON.parse(readFileSync(0, 'utf8')) as Login;
  let told: Told;
  try {
    told = await ask({ ...login, caText: readFileSync(login.ca, 'utf8') });
  } catch (error) {
    const { code, errno, message } = error as { code?: string; errno?: number; message: string };
    told = { code: typeof errno === 'number' && errno > 0 ? errno : (code ?? ''), message };
  }
  process.stdout.write(JSON.stringify(told));
}
