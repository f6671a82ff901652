export { createEtcdDatastore } from './etcd-datastore';
export {
  DEFAULT_ETCD_PREFIX,
  parseEtcdEndpoints,
  type EtcdDatastoreOptions,
  type EtcdEndpoint,
  type EtcdTlsOptions,
} from './etcd-options';
