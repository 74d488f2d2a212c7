import { createRequire } from 'node:module';
import type { GrpcObject, ServiceClientConstructor, ServiceDefinition } from '@grpc/grpc-js';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import protobuf from 'protobufjs';

/** Decoding as the generated types (`#envoy-api/*`) promise it: snake_case, enums by name, no defaults filled in. */
const decoding = { keepCase: true, longs: Number, enums: String, oneofs: false, defaults: false } as const;

/**
 * The pinned Envoy API (see protos/build.ts), loaded once a process.
 *
 * `root` is what the strict encoder reflects on; `service` gives a gRPC service definition to register with a
 * server, `client` a client constructor, both by full name such as `envoy.service.auth.v3.Authorization`.
 */
export class EnvoyApi {
  readonly root: protobuf.Root;
  readonly #packages: GrpcObject;

  private constructor(json: protobuf.INamespace) {
    this.root = protobuf.Root.fromJSON(json);
    this.root.resolveAll();
    this.#packages = loadPackageDefinition(fromJSON(json, decoding));
  }

  static #loaded: EnvoyApi | undefined;

  /** @throws when set-up has not been run: the descriptor tree is missing. */
  static load(): EnvoyApi {
    if (!EnvoyApi.#loaded) {
      const json = createRequire(import.meta.url)('#envoy-api.json') as protobuf.INamespace;
      EnvoyApi.#loaded = new EnvoyApi(json);
    }
    return EnvoyApi.#loaded;
  }

  service(fullName: string): ServiceDefinition {
    return this.client(fullName).service;
  }

  client(fullName: string): ServiceClientConstructor {
    let found: unknown = this.#packages;
    for (const part of fullName.split('.')) found = (found as GrpcObject | undefined)?.[part];
    if (typeof found !== 'function')
      throw new Error(`expected a gRPC service in protos/roots.json, found none named ${fullName}`);
    return found as unknown as ServiceClientConstructor;
  }
}
