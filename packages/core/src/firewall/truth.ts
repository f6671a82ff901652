/** Of a statement about a packet: it holds, it does not, or it cannot be told from here. */
export type Truth = 'yes' | 'no' | 'maybe';

export function not(truth: Truth): Truth {
  if (truth === 'maybe') return 'maybe';
  return truth === 'yes' ? 'no' : 'yes';
}

export function all(truths: Iterable<Truth>): Truth {
  let result: Truth = 'yes';
  for (const truth of truths) {
    if (truth === 'no') return 'no';
    if (truth === 'maybe') result = 'maybe';
  }
  return result;
}

export function any(truths: Iterable<Truth>): Truth {
  let result: Truth = 'no';
  for (const truth of truths) {
    if (truth === 'yes') return 'yes';
    if (truth === 'maybe') result = 'maybe';
  }
  return result;
}

export function truth(holds: boolean): Truth {
  return holds ? 'yes' : 'no';
}
