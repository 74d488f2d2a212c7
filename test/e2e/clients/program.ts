import { readFileSync } from 'node:fs';
import type { Login, Told } from './conversation.js';

type Ask = (login: Login & { readonly caText: string }) => Promise<Told>;

/** Runs a client written for Node: logins in, what each was told out; a driver's error is an answer too. */
export async function converse(ask: Ask): Promise<void> {
  const told: Told[] = [];
  for (const login of JSON.parse(readFileSync(0, 'utf8')) as Login[]) told.push(await toldBy(ask, login));
  process.stdout.write(JSON.stringify(told));
}

async function toldBy(ask: Ask, login: Login): Promise<Told> {
  try {
    return await ask({ ...login, caText: readFileSync(login.ca, 'utf8') });
  } catch (error) {
    const { code, errno, message } = error as { code?: string; errno?: number; message: string };
    return { code: typeof errno === 'number' && errno > 0 ? errno : (code ?? ''), message };
  }
}
