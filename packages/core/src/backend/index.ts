export * from './backend';
export { checkBackendModule } from './check-module';
export { loadBackendModule, type LoadBackendModuleOptions } from './load-backend-module';
export { otherBackendFindings, peerName } from './peers';
export { BackendRegistry } from './registry';
