import type { Logger } from '../../runtime';
import type { CallControl, EtcdConnection } from './etcd-connection';
import { GrpcCode, isGrpcFailure } from './grpc-failure';

export interface EtcdUser {
  readonly name: string;
  readonly password: string;
}

/**
 * Session tokens for user and password. One request at a time fetches one, everybody shares it (etcd spends about 70 ms of bcrypt
 * on each). A token ends at any time: five minutes unused, a member restarted, or a role changed; the caller then gives it
 * back to `invalidate` and asks again.
 */
export class EtcdAuth {
  private token: Promise<string | null> | null = null;
  private warned = false;

  constructor(
    private readonly user: EtcdUser | null,
    private readonly logger: Logger,
  ) {}

  get enabled(): boolean {
    return this.user !== null;
  }

  /** Null when there is no user, or etcd has authentication switched off. Rejects as EtcdConnection.call does. */
  current(connection: EtcdConnection, control: Omit<CallControl, 'token'>): Promise<string | null> {
    if (!this.user) return Promise.resolve(null);
    if (this.token) return this.token;
    const token = this.fetch(this.user, connection, control);
    this.token = token;
    token.catch(() => this.invalidate(token));
    return token;
  }

  /** Forgets the present token, or only the given one. */
  invalidate(token: Promise<string | null> | null = this.token): void {
    if (this.token === token) this.token = null;
  }

  private async fetch(
    { name, password }: EtcdUser,
    connection: EtcdConnection,
    control: Omit<CallControl, 'token'>,
  ): Promise<string | null> {
    try {
      const message = { name, password };
      const response = await connection.call(
        { service: 'Auth', method: 'authenticate', message },
        { ...control, token: null },
      );
      return (response as { readonly token: string }).token;
    } catch (error) {
      if (!isGrpcFailure(error, GrpcCode.FAILED_PRECONDITION)) throw error;
      if (!this.warned) this.logger.warn('etcd has authentication switched off, user and password are not used');
      this.warned = true;
      return null;
    }
  }
}
