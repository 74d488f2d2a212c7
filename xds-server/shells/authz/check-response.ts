/** envoy.service.auth.v3.CheckResponse: always OK; the verdict is its dynamic metadata (the session filter acts on it). */
import { type FlatValue, withStruct } from '../envoy-api/flat-struct.js';

/**
 * status {}: code 0 is OK; it must be there, an absent one is read as OK too but says nothing. ok_response {}.
 * Each a field number, its kind (2) and no bytes.
 */
const ok = Uint8Array.of((1 << 3) | 2, 0, (3 << 3) | 2, 0);
const dynamicMetadata = 4;

/** @param metadata the verdict, as namespace `envoy.filters.network.ext_authz` will hold it on the connection */
export function writeOk(metadata: Readonly<Record<string, FlatValue>>): Uint8Array {
  return withStruct(ok, dynamicMetadata, metadata);
}
