export * from './winston-logger';
