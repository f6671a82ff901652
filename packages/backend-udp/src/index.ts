export * from './packet-loop';
