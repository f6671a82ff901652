export * from './external-interface';
export type { InterfaceOptions } from './interface-options';
export * from './select-external-interface';
export type { InterfaceFamilies } from './selector';
export * from './watch-external-interface';
