/**
 * The number of the nftables rule set in this network namespace: the kernel raises it with every transaction, whoever makes it
 * (NFT_MSG_GETGEN; net/netfilter/nf_tables_api.c, v6.1). Asking costs one small netlink message and no process, so it can be asked several times a
 * second on a host with any number of rules. packages/netlink implements it.
 */
export interface NftGeneration {
  /** Rejects with KERNEL_REFUSED (no nf_tables) or KERNEL_SOCKET. */
  read(): Promise<number>;
  /** Idempotent. */
  close(): void;
}
