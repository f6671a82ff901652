import { isTartanError, parseNetworkConfig, type NetworkConfig, type ParsedNetworkConfig } from '@tartan/core';

const VXLAN = { Backend: { Type: 'vxlan' } };

export function parse(config: object, strict = false): ParsedNetworkConfig {
  return parseNetworkConfig(JSON.stringify({ ...VXLAN, ...config }), { strict });
}

export function config(members: object): NetworkConfig {
  return parse(members).config;
}

/** The message without its beginning. */
export function failure(text: string, strict = false): string {
  try {
    parseNetworkConfig(text, { strict });
  } catch (error) {
    if (isTartanError(error, 'CONFIG_INVALID', 'CONFIG_NOT_JSON')) return error.message.replace('network config: ', '');
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

export function failureOf(members: object, strict = false): string {
  return failure(JSON.stringify({ ...VXLAN, ...members }), strict);
}
