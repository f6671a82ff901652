/** What the names of our tc filters for this TUN begin with. */
export function filterOwner(tunName: string): string {
  return `tartan-udp:${tunName}:`;
}
