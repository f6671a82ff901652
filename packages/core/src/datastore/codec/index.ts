export { foldMemberName, goJson, goJsonText } from './go-json';
export * from './lease-key';
export * from './lease-value';
export { readMembers, type RawMember } from './json-members';
export type { Parsed } from './parsed';
