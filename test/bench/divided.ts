/**
 * What a budget would be used to if each of some nodes had an equal part of it for itself: the usual per-proxy limit. Clients
 * come back at once when they leave, to the same node; how many a node has follows Zipf's law, as load on pods and
 * sidecars does: some are busy, many are not. Each node's turnovers take no time here, which flatters the division.
 */
/** @returns the part of the budget that is used in the long run, 0 to 1 */
export function divided(clients: number, budget: number, nodes: number): number {
  const part = Math.floor(budget / nodes);
  // In a closed loop without pauses a node's slots are all taken while it has as many clients: lengths do not matter.
  return clientsOf(clients, nodes).reduce((used, count) => used + Math.min(count, part), 0) / budget;
}

/** Zipf's law with exponent 1, to whole clients. */
export function clientsOf(clients: number, nodes: number): number[] {
  const weights = Array.from({ length: nodes }, (_, i) => 1 / (i + 1));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = weights.map((weight) => (weight / all) * clients);
  const counts = shares.map(Math.floor);
  // The rest to those who lost most by rounding.
  const byLoss = shares.map((share, i) => ({ i, loss: share - counts[i]! })).sort((a, b) => b.loss - a.loss);
  const rest = clients - counts.reduce((sum, count) => sum + count, 0);
  for (const { i } of byLoss.slice(0, rest)) counts[i]! += 1;
  return counts;
}
