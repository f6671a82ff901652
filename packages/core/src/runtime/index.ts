export * from './back-off';
export * from './clock';
export * from './logger';
