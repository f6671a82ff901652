import { backendSuite } from '@tartan/conformance';
import { backend } from '../src';

const runner = { describe, it, beforeEach, afterEach };

backendSuite(runner, { module: backend });
backendSuite(runner, { module: backend, options: { DirectRouting: true, VNI: 7, Port: 4789, MTU: 1400 } });
