'use strict';

const { Ipv4Address, TartanError, readBackendOptions, textMember } = require('@tartan/core');
const { planRoutes } = require('./plan');

const schema = {
  Gateway: textMember({
    default: null,
    help: 'IPv4 address of the router that knows the subnets of all hosts.',
    expected: 'an IPv4 address in quotes',
    valid: isIpv4Address,
  }),
};

exports.backend = {
  type: 'via-gateway',
  contractVersion: 1,
  capabilities: {
    ipv4: true,
    ipv6: false,
    needsSameL2: false,
    needsOwnPublicIP: false,
    hitlessRestart: true,
    underlayFacts: false,
  },
  create: (context) => new ViaGateway(context),
};

class ViaGateway {
  constructor({ config, externalInterface, logger }) {
    this.config = config;
    this.externalInterface = externalInterface;
    this.logger = logger;
  }

  async prepare() {
    this.gateway = this.readGateway();
    return { backendType: 'via-gateway' };
  }

  async start(lease) {
    const facts = {
      gateway: this.gateway,
      ifname: this.externalInterface.ifname,
      network: this.config.ipv4.network,
      ownSubnet: lease.subnet,
    };
    return {
      mtuBytes: this.externalInterface.mtuBytes,
      plan: ({ snapshot }) => planRoutes(facts, snapshot.leases),
      close: async () => {},
    };
  }

  readGateway() {
    if (!this.config.ipv4) throw unusable('it carries IPv4 only, and the network config has no IPv4 network');
    const { options, warnings } = readBackendOptions(this.config.backend, schema, this.config);
    for (const { key, message } of warnings) this.logger.warn('backend option ignored', { key, reason: message });
    if (options.Gateway === null) throw unusable('Backend.Gateway is missing from the network config');
    return Ipv4Address.parse(options.Gateway);
  }
}

function unusable(problem) {
  return new TartanError('BACKEND_UNUSABLE', { backend: 'via-gateway', problem });
}

function isIpv4Address(text) {
  try {
    Ipv4Address.parse(text);
    return true;
  } catch {
    return false;
  }
}
