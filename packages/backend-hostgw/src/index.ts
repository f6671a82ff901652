export { backend } from './host-gw';
