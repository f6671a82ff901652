export * from './actual-state';
export * from './delta';
export type { ObjectKind, PlannedOp, WaitingObject } from './delta-parts';
export * from './kernel-state';
export { createProtocolNames, ROUTE_PROTOCOL_TARTAN, type ProtocolName } from './route-protocol';
