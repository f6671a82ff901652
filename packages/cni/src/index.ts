export { type PluginVariant, pluginProgram } from './plugin-program';
