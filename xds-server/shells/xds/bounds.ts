/** How much one stream, and all of them, may take. */
export interface Bounds {
  /** Streams at once, of all nodes. */
  readonly maxStreams: number;
  /** Names that one stream may subscribe to, over all types. */
  readonly maxNames: number;
  /** Characters of a name, a version or a type: all that this brain sends are shorter, and so are clients' server names. */
  readonly maxNameChars: number;
  /** Types that one stream may ask for, also such as do not exist. */
  readonly maxTypes: number;
  /** Names of one type that one stream may have answered by a fallback. */
  readonly maxFallbacks: number;
  /** Size of one response; a single resource, or a whole world in SotW, may be larger. */
  readonly maxUpdateBytes: number;
  /** How long a new stream may stay silent, in milliseconds. */
  readonly firstRequestMs: number;
}

/** 4 MiB is what gRPC clients accept in one message unless told otherwise. */
export const BOUNDS: Bounds = {
  maxStreams: 10_000,
  maxNames: 100_000,
  maxNameChars: 1_024,
  maxTypes: 32,
  maxFallbacks: 4_096,
  maxUpdateBytes: 3 << 20,
  firstRequestMs: 10_000,
};
