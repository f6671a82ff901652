export function gigabits(bitsPerSecond: number): string {
  return `${(bitsPerSecond / 1e9).toFixed(bitsPerSecond < 1e9 ? 2 : 1)} Gbit/s`;
}
