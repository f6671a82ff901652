"""A peer of the original's kind: one packet a read, one a sendto, no offload, no check. Usage: plain-peer.py TUN ADDRESS PORT PREFIX=ENDPOINT...

With --offloads the TUN hands out super-packets, as that of the packet loop does, and what is read is thrown away: for a host whose
traffic goes through the kernel, so that everything that arrives has come through it.
"""
import fcntl
import ipaddress
import os
import select
import socket
import struct
import sys

TUNSETIFF, TUNSETPERSIST, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454CB, 0x400454D0, 0x400454D8
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 0x01, 0x02, 0x04

arguments = [word for word in sys.argv[1:] if word != "--offloads"]
offloads = "--offloads" in sys.argv
tun_name, address, port = arguments[0], arguments[1], int(arguments[2])
routes = [(ipaddress.ip_network(prefix), endpoint) for prefix, endpoint in (word.split("=") for word in arguments[3:])]

tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
flags = IFF_TUN | IFF_NO_PI | (IFF_VNET_HDR if offloads else 0)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", tun_name.encode(), flags))
fcntl.ioctl(tun, TUNSETPERSIST, 1)
if offloads:
    fcntl.ioctl(tun, TUNSETVNETHDRSZ, struct.pack("i", 10))
    fcntl.ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((address, port))
print("ready", flush=True)


def endpoint_of(packet):
    target = packet[16:20] if packet[0] >> 4 == 4 else packet[24:40]
    inner = ipaddress.ip_address(target)
    return next((endpoint for network, endpoint in routes if inner.version == network.version and inner in network), None)


while True:
    readable, _, _ = select.select([tun, udp], [], [])
    if tun in readable:
        packet = os.read(tun, 65600)
        endpoint = None if offloads else endpoint_of(packet)
        if endpoint:
            udp.sendto(packet, (endpoint, port))
    if udp in readable:
        packet, sender = udp.recvfrom(65600)
        print("datagram", sender[0], len(packet), flush=True)
        if not offloads:
            os.write(tun, packet)
