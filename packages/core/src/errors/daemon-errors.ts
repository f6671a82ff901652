import { defineErrors } from './define-errors';

export const daemonErrors = defineErrors({
  CLEANUP_NOTHING_KNOWN: {
    message: (data: { subnetFile: string; memory: string }) =>
      `nothing to clean up is known: neither ${data.subnetFile} nor ${data.memory} names a network`,
    cause:
      '--cleanup finds out what is ours from the networks in the subnet file or in the remembered lease, and both are gone.',
    cure: 'Give --subnet-file, --state-dir and --etcd-prefix as the daemon had them. After a clean-up that went through, this is what a second one says.',
  },
});
