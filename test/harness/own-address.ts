/**
 * Where the parts of one test process listen: a loopback address of its own and, on it, ports that nobody else
 * can take between choosing and binding. Test files run side by side, each in its own process.
 */
import net from 'node:net';

/** 127.64.0.0 and up, one address for each process id (Linux: at most 22 bits). */
export const ownAddress = [127, 64 + (process.pid >> 16), (process.pid >> 8) & 0xff, process.pid & 0xff].join(
  '.',
);

/** Below the kernel's range for outgoing connections. */
let lastPort = 20_000;

/**
 * A port on `ownAddress`. Only a server on 0.0.0.0 can hold it already, so a trial bind is enough: no other test
 * uses this address.
 */
export async function ownPort(): Promise<number> {
  for (;;) {
    lastPort += 1;
    // Others ask while this one waits.
    const port = lastPort;
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const trial = net.createServer();
    trial.once('error', () => resolve(false));
    trial.listen(port, ownAddress, () => trial.close(() => resolve(true)));
  });
}

/** IPv6 has one loopback address, which all tests share. */
export const sharedV6 = '::1';

/** A port that nobody has now. */
export function portOn(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const trial = net.createServer();
    trial.once('error', reject);
    trial.listen(0, host, () => {
      const { port } = trial.address() as net.AddressInfo;
      trial.close(() => resolve(port));
    });
  });
}
