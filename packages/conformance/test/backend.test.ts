import { backend as hostgw } from '@tartan/backend-hostgw';
import { backendSuite } from '@tartan/conformance';
import { memoryBackend } from './memory-backend';

const runner = { describe, it, beforeEach, afterEach };

backendSuite(runner, { module: hostgw });
backendSuite(runner, { module: memoryBackend });
