export { FakeKernel, type FakeLinkSpec } from './fake-kernel';
export type { FailureOptions, FakeRequest, FakeRequestName } from './fake-failures';
export type { FakeSnapshot } from './fake-text';
