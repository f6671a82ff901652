// Features of devices through the SIOCETHTOOL ioctl: the way of kernels before 5.8, whose netlink interface lacks them.
#pragma once

#include <node_api.h>

namespace tartan {

// readFeatures(netns: string, ifindex: number): { names: string[], blocks: Uint32Array }. Bit i is called names[i] ('' for a hole) and is
// bit i % 32 of each word of block i / 32; a block is four words: available, requested, active, never changed. Throws an errno.
napi_value ReadFeatures(napi_env env, napi_callback_info info);

// writeFeatures(netns: string, ifindex: number, blocks: Uint32Array): void. A block is two words: valid, requested. All blocks of
// the kernel must be given. Throws an errno; bits that the device cannot change are left out by the kernel without a word.
napi_value WriteFeatures(napi_env env, napi_callback_info info);

}  // namespace tartan
