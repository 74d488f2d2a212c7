/**
 * Which names one stream wants of one type, in both variants of the protocol. Not which of them exist, and not what
 * has been sent.
 *
 * Anchors such as #xds-protocol-resource-hints are of https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol
 */

const WILDCARD = '*';

/** What a request changed, in terms of what must now be answered or may be forgotten. */
export interface InterestChange {
  /** Names to be answered even when the client should already have them at the newest version. */
  readonly asked: readonly string[];
  /** Those of them that were not covered before. */
  readonly added: readonly string[];
  /** Everything was asked for: the wildcard is new, or asked for again. */
  readonly wildcardAsked: boolean;
  /** Names that are no longer subscribed to by name; the wildcard may still cover them. */
  readonly dropped: readonly string[];
  readonly wildcardDropped: boolean;
}

const NO_CHANGE: InterestChange = {
  asked: [],
  added: [],
  wildcardAsked: false,
  dropped: [],
  wildcardDropped: false,
};

/**
 *                 first request empty, type has a wildcard
 *      (nothing) ───────────────────────────────────────▶ legacy wildcard
 *          │ a name or `*`                                      │ a name or `*`: the wildcard stays,
 *          ▼                                                    ▼ from now on like an explicit one
 *      explicit ◀───────────────────────────────────────────────╯
 *
 * Once explicit, an empty list never means everything again (#xds-protocol-resource-hints).
 */
export class Interest {
  readonly #names = new Set<string>();
  #wildcard = false;
  #first = true;
  #explicit = false;

  /**
   * @param hasLegacyWildcard whether an empty first request means everything. True for listeners and clusters, the
   *   two types for which the protocol defines a wildcard (#xds-protocol-resource-hints); a node without an EDS
   *   cluster that reconnects sends an empty first EDS request and means nothing by it.
   * @param shared an equal string that is there anyway, if there is one
   */
  constructor(
    private readonly hasLegacyWildcard: boolean,
    private readonly shared: (name: string) => string,
  ) {}

  get wildcard(): boolean {
    return this.#wildcard;
  }

  /** Names subscribed to by name. `''` is a name like any other: one that no resource has. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  covers(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  /** Whether a request with these names makes the wildcard new. */
  startsWildcard(names: readonly string[]): boolean {
    return !this.#wildcard && names.includes(WILDCARD);
  }

  /** Delta: adds and takes away names (#xds-protocol-delta-subscribe, #xds-protocol-unsubscribe). */
  update(subscribe: readonly string[], unsubscribe: readonly string[]): InterestChange {
    if (this.#startsLegacyWildcard(subscribe.length + unsubscribe.length === 0))
      return { ...NO_CHANGE, wildcardAsked: true };
    this.#explicit ||= subscribe.length > 0;

    const asked = new Set<string>();
    const added = subscribe.filter((name) => !this.covers(name));
    const dropped: string[] = [];
    let wildcardAsked = false;
    let wildcardDropped = false;
    for (const name of subscribe) {
      if (name === WILDCARD) wildcardAsked = true;
      else {
        this.#names.add(this.shared(name));
        // The client may have forgotten it despite being subscribed: it is sent again (#xds-protocol-delta-subscribe).
        asked.add(name);
      }
    }
    if (wildcardAsked) this.#wildcard = true;

    for (const name of unsubscribe) {
      if (name === WILDCARD) {
        wildcardDropped = this.#wildcard;
        wildcardAsked = false;
        this.#wildcard = false;
        // Whatever comes later, the wildcard was taken away by name: an empty request no longer brings it back.
        this.#explicit = true;
      } else if (this.#names.delete(name)) {
        asked.delete(name);
        dropped.push(name);
      }
    }
    // Only the server knows whether the wildcard still covers a name: the client has to be told (#xds-protocol-unsubscribe).
    if (this.#wildcard) for (const name of dropped) asked.add(name);
    return { asked: [...asked], added, wildcardAsked, dropped, wildcardDropped };
  }

  /** SotW: the whole list, each time (#xds-protocol-unsubscribing). */
  replace(names: readonly string[]): InterestChange {
    if (this.#startsLegacyWildcard(names.length === 0)) return { ...NO_CHANGE, wildcardAsked: true };
    if (!this.#explicit) {
      // Still the legacy wildcard, which an ACK without names does not end, or still nothing at all.
      if (names.length === 0) return NO_CHANGE;
      this.#explicit = true;
    }

    const next = new Set(names);
    const wildcard = next.delete(WILDCARD);
    const asked = [...next].filter((name) => !this.#names.has(name));
    const dropped = [...this.#names].filter((name) => !next.has(name));
    const added = this.#wildcard ? [] : asked;
    const wildcardAsked = wildcard && !this.#wildcard;
    const wildcardDropped = !wildcard && this.#wildcard;
    this.#wildcard = wildcard;
    for (const name of dropped) this.#names.delete(name);
    for (const name of asked) this.#names.add(this.shared(name));
    return { asked, added, wildcardAsked, dropped, wildcardDropped };
  }

  /**
   * SotW, for a list that is not to be answered: names that it leaves out are dropped, so that they are sent again when
   * they are asked for again; names that it adds are not taken up.
   */
  narrow(names: readonly string[]): InterestChange {
    if (!this.#explicit && names.length === 0) return NO_CHANGE;
    this.#explicit = true;
    return this.replace(names.filter((name) => (name === WILDCARD ? this.#wildcard : this.#names.has(name))));
  }

  /** Only the first request of a type can start it: the empty ones that follow are ACKs. */
  #startsLegacyWildcard(empty: boolean): boolean {
    const starts = this.#first && empty && this.hasLegacyWildcard;
    this.#first = false;
    if (starts) this.#wildcard = true;
    return starts;
  }
}
