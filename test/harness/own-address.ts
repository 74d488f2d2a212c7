/**
 * Where the parts of one test process listen: a loopback address of its own and, on it, ports that nobody else
 * can take between choosing and binding. Test files run side by side, each in its own process.
 */
import net from 'node:net';

/** 127.64.0.0 and up, one address for each process id (Linux: at most 22 bits). */
export const ownAddress = ownFrom(64);
/** Another one, for what must not have the name of the first. */
export const secondOwnAddress = ownFrom(128);

function ownFrom(first: number): string {
  const { pid } = process;
  return [127, first + (pid >> 16), (pid >> 8) & 0xff, pid & 0xff].join('.');
}

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
    if (await isFree(port, ownAddress)) return port;
  }
}

/** IPv6 has one loopback address, which all tests share. */
export const sharedV6 = '::1';

/** Above those of `ownPort`, below the kernel's range for outgoing connections. */
const sharedPorts = { first: 26_000, last: 32_767 };

/**
 * A port that is free on every address, those that tests share too, and given to no other test process while this one
 * runs: it holds the abstract socket of that number, which the kernel gives to one at a time and takes from the dead.
 */
export async function sharedPort(): Promise<number> {
  for (let port = sharedPorts.first; port <= sharedPorts.last; port += 1) {
    const claim = await listening(`\0sluice-test-port-${port}`);
    if (claim === undefined) continue;
    claim.unref();
    // Both families.
    if (await isFree(port, '::')) return port;
  }
  throw new Error(`expected a free port from ${sharedPorts.first} to ${sharedPorts.last}, found none`);
}

async function isFree(port: number, host: string): Promise<boolean> {
  const trial = await listening({ port, host });
  await new Promise<unknown>((resolve) => (trial ? trial.close(resolve) : resolve(undefined)));
  return trial !== undefined;
}

function listening(place: string | net.ListenOptions): Promise<net.Server | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(undefined));
    server.listen(place, () => resolve(server));
  });
}
