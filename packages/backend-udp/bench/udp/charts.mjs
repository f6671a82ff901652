// What scripts/bench-chart.mjs draws of the results.
import { VARIANTS } from './variants.mjs';

const MEASURES = {
  tcp1Gbps: 'TCP, one stream, Gbit/s (more is better)',
  tcp4Gbps: 'TCP, four streams, Gbit/s (more is better)',
  udp64Kpps: 'UDP with 64 bytes, sent singly, thousand packets/s at 1 % loss (more is better)',
  udp64BatchedKpps: 'UDP with 64 bytes, sent in batches, thousand packets/s at 1 % loss (more is better)',
  rttMs: 'Round trip of an idle network, ms (less is better)',
  rttLoadedMs: 'Round trip beside a TCP stream, ms (less is better)',
  cpuSecondsPerGB: 'Processor seconds per gigabyte, whole machine (less is better)',
};

export function chartsOf(results) {
  return Object.entries(MEASURES).map(([measure, title]) => ({
    title,
    groups: Object.entries(results).map(([mode, variants]) => ({
      name: mode,
      bars: Object.entries(variants).map(([variant, measures]) => ({
        name: VARIANTS[variant].title,
        value: measures[measure].median,
        reference: VARIANTS[variant].reference === true,
      })),
    })),
  }));
}
