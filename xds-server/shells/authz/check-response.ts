/** envoy.service.auth.v3.CheckResponse: always OK; the verdict is its dynamic metadata (the session filter acts on it). */
import protobuf from 'protobufjs';
import { writeStruct } from '../envoy-api/fields.js';

/** @param metadata the verdict, as namespace `envoy.filters.network.ext_authz` will hold it on the connection */
export function writeOk(metadata: Readonly<Record<string, string | number | boolean>>): Uint8Array {
  const writer = protobuf.Writer.create();
  // status {}: code 0 is OK; it must be there, an absent one is read as OK too but says nothing.
  writer.uint32((1 << 3) | 2).uint32(0);
  // ok_response {}
  writer.uint32((3 << 3) | 2).uint32(0);
  writeStruct(writer, 4, Object.entries(metadata));
  return writer.finish();
}
