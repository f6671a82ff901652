import type { LabProcess } from './lab-process';

/** What every part of one lab shares. */
export interface LabScope {
  /** Stands before the name of every namespace, so that several labs fit into one set of namespaces; may be empty. */
  readonly prefix: string;
  /** Belongs to this lab alone; gone with it. */
  readonly directory: string;
  /** Everything ever started, in order; ended ones too, since their logs explain failures. */
  readonly processes: LabProcess[];
  /** 1, 2, 3, … */
  next(): number;
}
