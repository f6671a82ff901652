import { defineErrors } from './define-errors';

export const kernelPathErrors = defineErrors({
  UDP_KERNEL_PATH_UNAVAILABLE: {
    message: (data: { reason: string }) => `udp: no kernel path on this host: ${data.reason}`,
    cause:
      'Datapath of the udp backend asks for encapsulation in the kernel (eBPF), and this host, this kernel or the rights of the daemon do not allow it.',
    cure: 'Packets go through user space, and nothing has to be done. The kernel path needs Linux 5.10, root outside of user namespaces (CAP_SYS_ADMIN, CAP_NET_ADMIN), an IPv4 network between the hosts and an Ethernet interface.',
  },
  UDP_KERNEL_PATH_REFUSED: {
    message: (data: { program: string; errno: number; errnoName: string; log: string }) =>
      `udp: the kernel refuses the program ${data.program}: ${data.errnoName}: ${verdict(data.log)}`,
    cause:
      'The verifier of this kernel does not accept a program of the kernel path. Its whole log is in the data of the error.',
    cure: 'Packets go through user space. Please report the log together with the kernel’s version (uname -r).',
  },
});

/** Where the log ends, but for the verifier's statistics. */
function verdict(log: string): string {
  const lines = log.split('\n').map((line) => line.trim());
  return (
    lines.findLast((line) => line !== '' && !/^(processed \d|verification time|stack depth)/.test(line)) ?? 'no log'
  );
}
