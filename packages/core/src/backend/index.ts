export * from './backend';
export { checkFamilies } from './check-families';
export { checkBackendModule } from './check-module';
export { loadBackendModule, type LoadBackendModuleOptions } from './load-backend-module';
export { overlapFindings, type OverlapInput, type OverlayDevice } from './network-overlap';
export * from './peer-checks';
export { otherBackendFindings, peerName } from './peers';
export { BackendRegistry } from './registry';
