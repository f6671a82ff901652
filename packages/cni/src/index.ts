export { type NodeStatus, nodeStatusPath, readNodeStatus, removeNodeStatus, writeNodeStatus } from './node-status';
export { type PluginVariant, pluginProgram } from './plugin-program';
