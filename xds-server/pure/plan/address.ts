/** `0.0.0.0:5432`, `[::]:5432`: the one way in which an address and its port are written, by Envoy too. */
export function formatAddress({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
