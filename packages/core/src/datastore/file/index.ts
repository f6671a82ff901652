export { createFileDatastore, type FileDatastoreOptions } from './file-datastore';
