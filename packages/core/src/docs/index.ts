/* Pages that are generated from tables in the code; scripts/generate-docs.mjs writes them, a test fails when they are stale. */
export * from './errors-page';
export * from './metrics-page';
export * from './options-page';
