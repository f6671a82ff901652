export { backend } from './vxlan';
