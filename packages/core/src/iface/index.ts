export * from './external-interface';
