/** Asks a running brain by its admin API. */
import { formatAddress } from '../../pure/plan/address.js';
import type { Address } from './address.js';
import { AnswerIsNo } from './program.js';

const timeoutMs = 5000;

/** @throws AnswerIsNo when nothing answers there or it says no */
export async function askBrain<Answer>(address: Address, path: string): Promise<Answer> {
  const at = formatAddress(address);
  const ask = { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' } as const;
  const response = await fetch(`http://${at}${path}`, ask).catch(() => {
    throw new AnswerIsNo(
      `nothing answers at ${at}: is \`sluice serve --admin ${at}\` running on this machine?`,
    );
  });
  const body: unknown = await response.json().catch(() => {
    throw new AnswerIsNo(`what answers at ${at} is not a brain: expected JSON`);
  });
  if (!response.ok)
    throw new AnswerIsNo(`${at} answers ${response.status}: ${JSON.stringify(body).slice(0, 500)}`);
  return body as Answer;
}
