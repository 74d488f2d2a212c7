/** Somebody else's proxy: one process, with one port of the test's own. */
import net from 'node:net';
import { Child, type ChildOptions } from './child.js';
import { ownAddress } from './own-address.js';
import { waitUntil } from './wait-until.js';

export class OtherProxy {
  readonly host = ownAddress;
  readonly port: number;
  protected readonly child: Child;

  protected constructor(port: number, child: Child) {
    this.port = port;
    this.child = child;
  }

  /** Resolves when clients can connect. */
  protected static async run(port: number, options: ChildOptions): Promise<Child> {
    const child = await Child.start(options);
    await waitUntil(`${options.title} listens`, () => {
      child.assertRunning();
      return accepts(port);
    });
    return child;
  }

  get pid(): number {
    return this.child.pid;
  }

  async stop(): Promise<void> {
    await this.child.stop();
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const trial = net.connect(port, ownAddress, () => {
      trial.destroy();
      resolve(true);
    });
    trial.once('error', () => resolve(false));
  });
}
