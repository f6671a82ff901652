import { defineErrors } from './define-errors';

export const datastoreErrors = defineErrors({
  DATASTORE_UNAVAILABLE: {
    message: (data: { datastore: string; operation: string; reason: string }) =>
      `${data.datastore}: ${data.operation} failed: ${data.reason}`,
    cause: 'The datastore cannot be reached, did not answer in time, or has no leader.',
    cure: 'Check endpoints, network and health of the datastore. Forwarding goes on meanwhile; the daemon keeps trying.',
  },
  DATASTORE_DENIED: {
    message: (data: { datastore: string; operation: string; reason: string }) =>
      `${data.datastore}: ${data.operation} was refused: ${data.reason}`,
    cause: 'The datastore refused the credentials, the certificate, or the permission for this key.',
    cure: 'Check user, password, certificates, and that the role may read and write below the prefix.',
  },
  DATASTORE_NOT_FOUND: {
    message: (data: { datastore: string; key: string }) => `${data.datastore}: ${data.key} does not exist`,
    cause: 'A key that was expected is absent.',
    cure: 'For the network config: write it (see docs/configuration.md). The daemon waits for it.',
  },
  DATASTORE_CONFLICT: {
    message: (data: { datastore: string; key: string }) =>
      `${data.datastore}: ${data.key} was changed by somebody else since it was read`,
    cause: 'A create found the key present, or an update or delete found another revision than the one last seen.',
    cure: 'Nothing to do: the round is repeated with the new state.',
  },
  DATASTORE_COMPACTED: {
    message: (data: { datastore: string; revision: string }) =>
      `${data.datastore}: revision ${data.revision} has been compacted, the watch cannot resume there`,
    cause: 'The watch was away for longer than the datastore keeps history, or the datastore was rebuilt.',
    cure: 'Nothing to do: the full list is read again and compared.',
  },
  DATASTORE_LEASE_GONE: {
    message: (data: { datastore: string; key: string }) => `${data.datastore}: the lease of ${data.key} has expired`,
    cause: 'Renewal came too late: the time to live ran out and the datastore removed the key.',
    cure: 'Nothing to do: the same subnet is acquired again if it is still free.',
  },
  DATASTORE_UNWRITABLE: {
    message: (data: { key: string; reason: string }) => `refusing to write ${data.key}: ${data.reason}`,
    cause:
      'A lease was about to be written that flannel nodes could not read; many of their releases then drop all their peers.',
    cure: 'Choose a subnet length of at most 31 (IPv6: 127), and no member names that flannel uses in another case.',
  },
  DATASTORE_OPTION_INVALID: {
    message: (data: { option: string; value: string; expected: string }) =>
      `${data.option} is ${data.value}, expected ${data.expected}`,
    cause: 'An endpoint, a file path or a combination of datastore options cannot be used.',
    cure: 'Correct the option; docs/datastores.md describes all of them.',
  },
  DATASTORE_READ_ONLY: {
    message: (data: { path: string; node: string; problem: string }) =>
      `${data.path}: node "${data.node}": ${data.problem}`,
    cause: 'With a static nodes file the administrator assigns subnets and values; a node cannot write them itself.',
    cure: 'Enter what the message says into the file on every host; the daemon picks the change up by itself.',
  },
});
