/** gRPC clients for the services of the Envoy API: grpc-js, so that another implementation than the brain's is spoken to. */
import { createRequire } from 'node:module';
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import type protobuf from 'protobufjs';

const json = createRequire(import.meta.url)('#envoy-api.json') as protobuf.INamespace;
const packages = loadPackageDefinition(fromJSON(json, { keepCase: true, longs: Number, enums: String }));

/** @param service such as `envoy.service.auth.v3.Authorization` */
export function clientOf(service: string): ServiceClientConstructor {
  let found: unknown = packages;
  for (const part of service.split('.')) found = (found as GrpcObject | undefined)?.[part];
  if (typeof found !== 'function')
    throw new Error(`expected a gRPC service in protos/roots.json, found none named ${service}`);
  return found as unknown as ServiceClientConstructor;
}
