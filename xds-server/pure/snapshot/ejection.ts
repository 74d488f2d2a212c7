import type { Cluster } from '#envoy-api/envoy/config/cluster/v3/Cluster.js';
import { durationMs } from './messages.js';

export interface Ejection {
  /** Between two looks at who may come back. */
  readonly intervalMs: number;
  /** The first time; each time after that it is longer, up to the most. */
  readonly leastMs: number;
  readonly mostMs: number;
}

/**
 * Whoever a connection could not be made to is left out for a while, from the first failure on; what a host answers is an
 * answer. Where none is left all are tried (a panic threshold of 1 %, as 0 would try none). Connections that are open do
 * not notice.
 */
export function ejectionOfTheDead({
  intervalMs,
  leastMs,
  mostMs,
}: Ejection): Pick<Cluster, 'outlier_detection' | 'common_lb_config'> {
  return {
    outlier_detection: {
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: { value: 1 },
      enforcing_consecutive_local_origin_failure: { value: 100 },
      enforcing_consecutive_5xx: { value: 0 },
      enforcing_success_rate: { value: 0 },
      enforcing_local_origin_success_rate: { value: 0 },
      max_ejection_percent: { value: 100 },
      interval: durationMs(intervalMs),
      base_ejection_time: durationMs(leastMs),
      max_ejection_time: durationMs(mostMs),
    },
    common_lb_config: { healthy_panic_threshold: { value: 1 } },
  };
}
