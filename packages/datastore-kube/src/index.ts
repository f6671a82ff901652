export { ApiClient, type ApiClientOptions } from './api/api-client';
export { FileCredentials, type Credentials } from './api/credentials';
export { KubeDatastore, type KubeDatastoreOptions } from './kube-datastore';
export { annotationNames, DEFAULT_ANNOTATION_PREFIX, type AnnotationNames } from './nodes/annotation-names';
