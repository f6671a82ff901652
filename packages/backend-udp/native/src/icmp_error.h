// ICMP errors about packets that cannot go on (RFC 792, RFC 1191, RFC 4443).
#pragma once

#include <cstddef>
#include <cstdint>

#include "address.h"
#include "packet.h"

namespace tartan {

// No error is larger: RFC 1812 section 4.3.2.3 (576), RFC 4443 section 2.4 (c) (1280).
constexpr size_t kIcmpErrorMax = 1280;

enum class IcmpError {
  kTimeExceeded,
  // IPv4: fragmentation needed; IPv6: packet too big.
  kTooBig,
};

// False for packets about which no error may be sent: errors, later fragments, senders or receivers that are no single host (RFC 1122
// section 3.2.2, RFC 4443 section 2.4 (e)).
bool MayReport(const Packet& packet);

// Writes the error about `packet`, from `source`, to the packet's sender; returns its length. `mtu_bytes` counts for kTooBig.
// `into` has kIcmpErrorMax bytes. `source` has the family of the packet.
size_t WriteIcmpError(const Packet& packet, IcmpError error, uint16_t mtu_bytes, const IpAddress& source, uint8_t* into);

}  // namespace tartan
