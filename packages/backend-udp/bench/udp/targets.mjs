// What the udp backend has set itself, as ratios within one run.

/** `loop` against `reference` in `mode`: at least `atLeast` times as much, or at most `atMost` times. */
const TARGETS = [
  { measure: 'tcp1Gbps', mode: 'veth', reference: 'plain', atLeast: 14 },
  { measure: 'tcp1Gbps', mode: 'wire', reference: 'vxlan', atLeast: 1.15 },
  { measure: 'tcp1Gbps', mode: 'veth', reference: 'vxlan', atLeast: 0.7 },
  { measure: 'udp64Kpps', mode: 'veth', reference: 'plain', atLeast: 4 },
  { measure: 'udp64Kpps', mode: 'wire', reference: 'plain', atLeast: 4 },
  { measure: 'udp64Kpps', mode: 'veth', reference: 'vxlan', atLeast: 1.5 },
  { measure: 'udp64Kpps', mode: 'wire', reference: 'vxlan', atLeast: 1.5 },
  { measure: 'udp64BatchedKpps', mode: 'veth', reference: 'plain', atLeast: 4 },
  { measure: 'udp64BatchedKpps', mode: 'wire', reference: 'plain', atLeast: 4 },
  { measure: 'udp64BatchedKpps', mode: 'veth', reference: 'vxlan', atLeast: 1.5 },
  { measure: 'udp64BatchedKpps', mode: 'wire', reference: 'vxlan', atLeast: 1.5 },
  { measure: 'rttMs', mode: 'veth', reference: 'plain', atMost: 1 },
  { measure: 'rttMs', mode: 'wire', reference: 'plain', atMost: 1 },
  { variant: 'kernel', measure: 'tcp1Gbps', mode: 'veth', reference: 'vxlan', atLeast: 1.2 },
  { variant: 'kernel', measure: 'rttMs', mode: 'veth', reference: 'vxlan', atMost: 1.05 },
  { variant: 'kernel', measure: 'tcp1Gbps', mode: 'wire', reference: 'vxlan', atLeast: 0.95 },
];

const isMeasure = (value) => typeof value?.median === 'number';
const ratio = (value, reference) => Math.round((value.median / reference.median) * 100) / 100;

/** mode / variant / reference / measure: the medians' ratio. Only for variants that are no reference themselves. */
export function ratiosOf(results) {
  const ratios = {};
  for (const [mode, variants] of Object.entries(results)) {
    for (const variant of ['loop', 'kernel'].filter((name) => variants[name])) {
      for (const reference of ['plain', 'vxlan', 'routing'].filter((name) => variants[name])) {
        const measures = Object.entries(variants[variant]).filter(([, value]) => isMeasure(value));
        ((ratios[mode] ??= {})[variant] ??= {})[reference] = Object.fromEntries(
          measures.map(([name, value]) => [name, ratio(value, variants[reference][name])]),
        );
      }
    }
  }
  return ratios;
}

/** Each target with what was measured and whether it is met; those whose variants were not measured are left out. */
export function targetsOf(ratios) {
  return TARGETS.flatMap(({ variant = 'loop', measure, mode, reference, atLeast, atMost }) => {
    const measured = ratios[mode]?.[variant]?.[reference]?.[measure];
    if (measured === undefined) return [];
    const met = atLeast === undefined ? measured <= atMost : measured >= atLeast;
    const wanted = atLeast === undefined ? { atMost } : { atLeast };
    return [{ mode, variant, reference, measure, ...wanted, measured, result: met ? 'pass' : 'miss' }];
  });
}
