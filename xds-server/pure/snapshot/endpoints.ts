import type { ClusterLoadAssignment } from '#envoy-api/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import type { ServicePlan, TargetPlan } from '../plan/plan.js';
import { struct } from './messages.js';
import { hasOwnTransports } from './upstream-tls.js';

/** Where a service's connections go: the servers of its target, all alike. */
export function loadAssignment(service: ServicePlan, target: TargetPlan): ClusterLoadAssignment {
  const apart = hasOwnTransports(target);
  return {
    cluster_name: service.cluster,
    endpoints: [
      {
        lb_endpoints: target.endpoints.map(({ host, port }, i) => ({
          endpoint: { address: { socket_address: { address: host, port_value: port } } },
          ...(apart && {
            metadata: { filter_metadata: { 'envoy.transport_socket_match': struct({ endpoint: `${i}` }) } },
          }),
        })),
      },
    ],
  };
}
