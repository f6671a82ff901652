'use strict';

const { afterEach, beforeEach, describe, it } = require('node:test');
const { backendSuite } = require('@tartan/conformance');
const { backend } = require('./index');

// The suite's hosts are on 172.31.0.0/16, see UNDERLAY of @tartan/conformance.
const options = { Gateway: '172.31.255.254' };

backendSuite({ describe, it, beforeEach, afterEach }, { module: backend, options });
