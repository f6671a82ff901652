// A netlink socket for JavaScript: class Socket.
//
//   new Socket(netns: string, receiveBufferBytes: number, buffer: Uint8Array, onReceive: (length: number, code: number) => void,
//              protocol?: number)
//     netns               path of the namespace to open it in, '' for the thread's own
//     receiveBufferBytes  wanted; SO_RCVBUFFORCE first, SO_RCVBUF (capped by net.core.rmem_max) where that is not allowed
//     buffer              where received datagrams go; may be shared by sockets of one environment, because it is used only
//                         while onReceive runs
//     onReceive           length > 0: so many bytes in `buffer`, whole datagrams behind each other, each at a multiple of 4;
//                         length 0: code kOverrun or kTruncated, or a negative errno, after which the socket is of no use
//     protocol            NETLINK_ROUTE unless told
//   .port                 nl_pid that the kernel gave
//   .receiveBufferBytes   what the kernel really reserves (SO_RCVBUF as it reports it)
//   .options              bit set of the SOL_NETLINK options that the kernel took (kExtendedAck | kCapAck | kStrictCheck)
//   .addMembership(group: number): void
//   .send(bytes: Uint8Array, length: number): void    to the kernel, which has worked through it when this returns
//   .ref() / .unref()     a referenced socket keeps the event loop and itself alive; an unreferenced one that nobody can reach
//                         any more is closed by the garbage collector. Starts unreferenced
//   .close(): void        idempotent; onReceive does not run any more
//
// Why drain like this: a dump of 15,000 objects is some fifty datagrams, a storm of route changes tens of thousands. One
// recvmsg(2) per datagram is cheap, one call into JavaScript per datagram is not, so datagrams are gathered until the buffer
// is nearly full or the socket is empty. libuv stops a poll that sees POLLERR and reports EBADF; for netlink POLLERR only means
// "overrun, read on" (netlink_overrun() in net/netlink/af_netlink.c, v6.1), so the poll is started again. From an overrun
// until its queue has been read empty a socket drops everything (NETLINK_S_CONGESTED), so the overrun is reported only once
// the queue is empty: whoever reads the state again after that misses nothing.
//
// Life: the JavaScript object and the uv handle each own the struct; the later of finalizer and close callback frees it. At
// the end of an environment (worker thread, process) an async cleanup hook closes what is still open and waits for libuv.
#pragma once

#include <node_api.h>

namespace tartan {

constexpr int kOverrun = 1;
constexpr int kTruncated = 2;

constexpr int kExtendedAck = 1;
constexpr int kCapAck = 2;
constexpr int kStrictCheck = 4;

// Defines the class and sets it as `Socket` on `exports`.
napi_status DefineSocket(napi_env env, napi_value exports);

}  // namespace tartan
