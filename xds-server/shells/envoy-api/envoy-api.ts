import { createRequire } from 'node:module';
import protobuf from 'protobufjs';

/** Decoding as the generated types (`#envoy-api/*`) promise it: snake_case, enums by name, no defaults filled in. */
const decoding = { longs: Number, enums: String } as const;

/** The pinned Envoy API (see protos/build.ts), loaded once a process. `root` is what the strict encoder reflects on. */
export class EnvoyApi {
  readonly root: protobuf.Root;

  private constructor(json: protobuf.INamespace) {
    this.root = protobuf.Root.fromJSON(json);
    this.root.resolveAll();
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

  /**
   * Reads messages of one type.
   *
   * @param fullName such as `envoy.service.discovery.v3.DiscoveryRequest`
   * @throws (when reading) when the bytes are no such message
   */
  decoder<Message>(fullName: string): (bytes: Uint8Array) => Message {
    const type = this.root.lookupType(fullName);
    return (bytes) => type.toObject(type.decode(bytes), decoding) as Message;
  }
}
