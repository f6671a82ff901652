export { ObjectStore, StoreError, type StoredObject } from './object-store';
export { flannelAnnotations, sampleNode, type SampleNodeOptions } from './sample-node';
export { noFaults, TestApiServer, type Faults, type TestApiServerOptions } from './test-api-server';
