import { defineErrors } from './define-errors';

export const backendErrors = defineErrors({
  BACKEND_UNKNOWN: {
    message: (data: { type: string; known: readonly string[] }) =>
      `unknown backend type "${data.type}"; this build knows ${data.known.join(', ')}`,
    cause: 'Backend.Type of the network config names a backend that is not linked in.',
    cure: 'Correct the type, or load the backend with --backend-module.',
  },
  BACKEND_FAMILY_UNSUPPORTED: {
    message: (data: { backend: string; family: 4 | 6 }) =>
      `${data.backend}: this backend carries no IPv${data.family}, but the network config wants it`,
    cause: 'The network config enables an address family that the backend, by its own word, cannot carry.',
    cure: 'Set EnableIPv4 or EnableIPv6 of the network config to false, or choose another Backend.Type.',
  },
  BACKEND_UNUSABLE: {
    message: (data: { backend: string; problem: string }) => `${data.backend}: ${data.problem}`,
    cause:
      'A backend says that it cannot run on this host or with this network config. Third-party backends use this code.',
    cure: 'The message says what is wrong; the documentation of the backend says what it needs.',
  },
  BACKEND_TYPE_TAKEN: {
    message: (data: { type: string; module: string; takenBy: string }) =>
      `backend type "${data.type}" of ${data.module} is already taken (${data.takenBy})`,
    cause:
      'Two backends with the same type: a module given with --backend-module repeats another or one that is built in.',
    cure: 'Drop one of the modules, or give the backend a type of its own.',
  },
  BACKEND_CONTRACT_VERSION: {
    message: (data: { module: string; contractVersion: number; expected: number }) =>
      `backend module ${data.module} was written for contract version ${data.contractVersion}, this build has ${data.expected}`,
    cause: 'The backend package and Tartan are of releases that do not go together.',
    cure: 'Install the release of the backend that was made for this release of Tartan.',
  },
  BACKEND_MODULE_NOT_FOUND: {
    message: (data: { module: string; cwd: string }) =>
      `backend module ${data.module} is not found from ${data.cwd} or beside the daemon`,
    cause: '--backend-module names a file that does not exist or a package that is not installed.',
    cure: 'Give a path that starts with / or ./, or install the package in the working directory or beside Tartan.',
  },
  BACKEND_MODULE_FAILED: {
    message: (data: { module: string; file: string; reason: string }) =>
      `backend module ${data.module} (${data.file}) failed while loading: ${data.reason}`,
    cause: 'The module threw an error when it was loaded: a syntax error, or a dependency of its own that is missing.',
    cure: 'Load it with node alone to see the whole error, and install what it needs.',
  },
  BACKEND_MODULE_INVALID: {
    message: (data: { module: string; problem: string }) =>
      `backend module ${data.module} is no backend: ${data.problem}`,
    cause: 'What the module exports is not the contract BackendModule.',
    cure: 'See docs/write-a-backend.md; the conformance kit of @tartan/conformance finds such mistakes.',
  },
  BACKEND_NAT_REFUSED: {
    message: (data: { backend: string; ifname: string; address: string; publicAddress: string }) =>
      `${data.backend}: the public address ${data.publicAddress} is not the address of ${data.ifname} (${data.address})`,
    cause:
      'The backend routes to the public address itself, which works only when it is the interface’s own. Address translation between the hosts breaks it.',
    cure: 'Drop --public-ip or --public-ipv6, choose the right interface with --iface, or use a backend that tunnels, such as vxlan.',
  },
  BACKEND_NO_ADDRESS: {
    message: (data: { backend: string; family: 4 | 6; ifname: string }) =>
      `${data.backend}: ${data.ifname} has no IPv${data.family} address, but the network config wants IPv${data.family}`,
    cause: 'The network config enables an address family that the external interface does not have.',
    cure: 'Give the interface an address of that family, choose another with --iface, or disable the family in the config.',
  },
  BACKEND_LEASE_INCOMPLETE: {
    message: (data: { backend: string; family: 4 | 6 }) =>
      `${data.backend}: the lease has no IPv${data.family} subnet, but the network config wants IPv${data.family}`,
    cause: 'The lease is from a time when the network config had fewer address families, or was written by hand.',
    cure: 'Delete the lease; the node takes a new one with a subnet in each family.',
  },
  BACKEND_MTU_TOO_SMALL: {
    message: (data: {
      backend: string;
      family: 4 | 6;
      ifname: string;
      underlayMtuBytes: number;
      neededMtuBytes: number;
    }) =>
      `${data.backend}: packets of ${data.underlayMtuBytes} bytes over ${data.ifname} are too small for IPv${data.family} inside of them; ${data.neededMtuBytes} are needed`,
    cause: 'The MTU of the external interface, or Backend.MTU, leaves too little room after the headers of the tunnel.',
    cure: 'Raise the MTU of the interface or drop Backend.MTU.',
  },
  BACKEND_DEVICE_NAME_TAKEN: {
    message: (data: { backend: string; ifname: string; kind: string }) =>
      `${data.backend}: a device called ${data.ifname} exists already, but its kind is ${data.kind}`,
    cause: 'Something else made an interface with the name that the backend needs.',
    cure: 'If nothing needs it: ip link del NAME. Otherwise, with vxlan, choose another Backend.VNI, which is part of the name.',
  },
  BACKEND_VXLAN_VNI_IN_USE: {
    message: (data: { vni: number; port: number; ifname: string }) =>
      `vxlan: VNI ${data.vni} on UDP port ${data.port} belongs to the device ${data.ifname} already`,
    cause:
      'Another program, or a container network that was here before, made a VXLAN device with the same VNI and port.',
    cure: 'If nothing needs it: ip link del NAME. Otherwise choose another Backend.VNI or Backend.Port on all nodes.',
  },
  BACKEND_VXLAN_PORT_IN_USE: {
    message: (data: { port: number; ifname?: string }) =>
      `vxlan: UDP port ${data.port} is in use by ${data.ifname === undefined ? 'another program' : `the device ${data.ifname}, which treats packets differently (GBP)`}`,
    cause: 'A program listens on the port, or another VXLAN device has it with another GBP flag.',
    cure: 'See who: ss -ulpn and ip -d link show type vxlan. Stop it, or choose another Backend.Port on all nodes.',
  },
  BACKEND_VXLAN_UNSUPPORTED: {
    message: (data: { kernel: string; ifname: string }) =>
      `vxlan: the kernel (${data.kernel}) cannot make ${data.ifname}: its vxlan module is missing`,
    cause:
      'The kernel was built without VXLAN, or its module is in a package that is not installed, or modules may not be loaded from here.',
    cure: 'Try "modprobe vxlan" on the host. Ubuntu: install linux-modules-extra-$(uname -r), on a Raspberry Pi linux-modules-extra-raspi. RHEL and Fedora: kernel-modules. Else use another backend.',
  },
});
