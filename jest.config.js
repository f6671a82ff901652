// Three rings (design: tests in rings): unit needs neither root nor network; netns and e2e want the real kernel and are
// started by scripts/test inside namespaces of their own.
const { accessSync, constants, mkdirSync } = require('node:fs');
const { join } = require('node:path');

/** Beside the packages, so that runs in namespaces with a /tmp of their own find it warm; the default place where that is read-only. */
function cacheDirectory() {
  const folder = join(__dirname, 'node_modules', '.cache', 'jest');
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return { cacheDirectory: folder };
  } catch {
    return {};
  }
}

const common = {
  ...cacheDirectory(),
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs', ignoreDynamic: true },
      },
    ],
  },
  moduleNameMapper: {
    '^@tartan/lab$': '<rootDir>/test/lab/src/index.ts',
    '^@tartan/([^/]+)$': '<rootDir>/packages/$1/src/index.ts',
    '^@tartan/([^/]+)/(.+)$': '<rootDir>/packages/$1/src/$2/index.ts',
  },
  modulePathIgnorePatterns: ['<rootDir>/packages/[^/]+/dist', '<rootDir>/test/lab/dist'],
  setupFilesAfterEnv: ['<rootDir>/test/jest-setup.ts'],
};

module.exports = {
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/packages/*/test/**/*.test.ts',
        '<rootDir>/test/unit/**/*.test.ts',
        '<rootDir>/test/lab/test/**/*.test.ts',
      ],
      testPathIgnorePatterns: ['\\.netns\\.test\\.ts$', '\\.etcd\\.test\\.ts$'],
    },
    {
      ...common,
      displayName: 'etcd',
      testMatch: ['<rootDir>/packages/*/test/**/*.etcd.test.ts'],
    },
    {
      ...common,
      displayName: 'netns',
      testMatch: ['<rootDir>/packages/*/test/**/*.netns.test.ts', '<rootDir>/test/lab/test/**/*.netns.test.ts'],
    },
    {
      ...common,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/e2e/**/*.test.ts'],
    },
  ],
};
