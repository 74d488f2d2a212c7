/**
 * Everything that a test file has started ends with it, in reverse order, also when half of the set-up has failed:
 * what is started registers itself here, and a file that uses the harness says `after(stopEverything)`.
 */
type Stop = () => Promise<unknown>;

const started: Stop[] = [];
let isOver = false;

/** Called by what was started, as soon as it runs. */
export async function atEnd(stop: Stop): Promise<void> {
  if (!isOver) started.push(stop);
  // Its test has already failed elsewhere, and nobody else will.
  else await stop();
}

export async function stopEverything(): Promise<void> {
  isOver = true;
  for (let stop = started.pop(); stop; stop = started.pop()) await stop();
}
