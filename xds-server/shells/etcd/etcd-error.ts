/** Why a call of etcd has no answer. What a call may answer is a value, never this. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError';

  /**
   * @param kind `timeout`: nothing came in time. `unavailable`: nobody answers there, or he has no quorum. After either a
   *   change may have been made all the same. `refused`: etcd has said no, and has changed nothing
   */
  constructor(
    readonly kind: 'timeout' | 'unavailable' | 'refused',
    message: string,
  ) {
    super(message);
  }
}
