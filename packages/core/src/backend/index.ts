export * from './backend';
export { checkBackendModule } from './check-module';
export { loadBackendModule, type LoadBackendModuleOptions } from './load-backend-module';
export { BackendRegistry } from './registry';
