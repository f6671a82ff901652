export * from './daemon-options';
export { environmentNames, optionSections, propertyName } from './option';
export type { OptionDefinition, OptionFacts, OptionSource, OptionTable, OptionValues } from './option';
export * from './option-kinds';
export type { Environment } from './read-environment';
export type { ReadFile } from './read-options-file';
export * from './resolve-options';
export type { Duration } from './scalar-values';
export type { DatastoreChoice } from './table/datastore-options';
