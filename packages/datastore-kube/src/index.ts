export type { ApiActivity } from './api/activity';
export { ApiClient, type ApiClientOptions } from './api/api-client';
export { FileCredentials, type Credentials } from './api/credentials';
export { KubeCluster, type AnnotatedAddresses, type KubeClusterOptions } from './kube-cluster';
export { KubeDatastore, type KubeDatastoreOptions } from './kube-datastore';
export { annotationNames, DEFAULT_ANNOTATION_PREFIX, type AnnotationNames } from './nodes/annotation-names';
export { NodeCondition, type NodeConditionOptions } from './status/node-condition';
