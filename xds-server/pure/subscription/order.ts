/**
 * Make before break: which type of one stream may be sent next. What is in a response is the subscription's business.
 *
 *     runtime, secrets, anything else                 whenever they are owed
 *     clusters → endpoints → listeners                what is new or changed, each after those it refers to
 *     listeners → clusters → endpoints                what is gone, each after those that referred to it,
 *                                                     and only once all of the above was answered
 *
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#xds-protocol-eventual-consistency-considerations
 */
import { TypeUrl } from '../snapshot/snapshot.js';
import type { Phase } from './exchange.js';
import type { Subscription } from './subscription.js';

const MAKE: readonly TypeUrl[] = [TypeUrl.cluster, TypeUrl.endpoints, TypeUrl.listener];
const BREAK: readonly TypeUrl[] = [TypeUrl.listener, TypeUrl.cluster, TypeUrl.endpoints];

export interface Turn {
  readonly subscription: Subscription;
  readonly phase: Phase;
}

export function nextTurn(subscriptions: ReadonlyMap<string, Subscription>): Turn | undefined {
  for (const [typeUrl, subscription] of subscriptions) {
    if (MAKE.includes(typeUrl as TypeUrl)) continue;
    for (const phase of ['upserts', 'removals'] as const)
      if (subscription.canSend(phase)) return { subscription, phase };
  }

  let isWaiting = false;
  for (const typeUrl of MAKE) {
    const subscription = subscriptions.get(typeUrl);
    if (!subscription) continue;
    // Endpoints go out even when a cluster has to wait: a node withholds the CDS ACK that would let it go for as long
    // as an earlier cluster waits for its endpoints.
    const mayGo = typeUrl !== TypeUrl.listener || !isWaiting;
    if (mayGo && subscription.canSend('upserts')) return { subscription, phase: 'upserts' };
    isWaiting ||= subscription.owes('upserts');
  }
  if (isWaiting) return undefined;

  const chain = BREAK.map((typeUrl) => subscriptions.get(typeUrl)).filter((found) => found !== undefined);
  if (chain.some((subscription) => subscription.inFlight > 0)) return undefined;
  for (const subscription of chain)
    if (subscription.canSend('removals')) return { subscription, phase: 'removals' };
  return undefined;
}
