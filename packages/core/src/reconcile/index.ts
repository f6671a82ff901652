export * from './kernel-state';
