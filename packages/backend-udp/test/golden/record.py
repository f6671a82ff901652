#!/usr/bin/env python3
"""Records what the kernel makes of packets, as golden packets for the tests of the packet loop.

    unshare --net python3 packages/backend-udp/test/golden/record.py

Two TUN devices in a network namespace that forwards between them:

    this program ──write virtio-net header + super-packet──▶ tin ══ the kernel routes and segments ══▶ tout ──read──▶ this program

`tout` takes no offloads, so that the kernel must cut the super-packet up and complete every checksum itself, one hop older. For ICMP
errors the kernel's answer comes back out of `tin`. Each case is written as text to segments.txt or icmp-errors.txt beside this file, and
as a seed of the fuzzer to native/test/corpus.
"""
import fcntl, os, select, struct, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, '..', '..', 'native', 'test', 'corpus')
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x1000, 0x4000
NEEDS_CHECKSUM, TCP4, TCP6, UDP, ECN = 1, 1, 4, 5, 0x80
FIN, PSH, ACK, ECE, CWR = 0x01, 0x08, 0x10, 0x40, 0x80
TIMESTAMPS = bytes.fromhex('0101080a0000112200003344')
IPV4 = bytes([10, 5, 1, 2]), bytes([10, 5, 2, 2])
IPV6 = bytes.fromhex('fd000005000100000000000000000002'), bytes.fromhex('fd000005000200000000000000000002')


def tun(name):
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', name.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack('i', 10))
    fcntl.ioctl(fd, TUNSETOFFLOAD, 0)
    return fd


def ip(*words):
    subprocess.run(['ip', *words], check=True)


def prepare():
    fds = tun('tin'), tun('tout')
    for key in ('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.conf.all.rp_filter=0',
                'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0',
                'net.ipv6.conf.default.autoconf=0', 'net.ipv6.conf.default.addr_gen_mode=1'):
        subprocess.run(['sysctl', '-qw', key], check=True)
    for number, name in ((1, 'tin'), (2, 'tout')):
        subprocess.run(['sysctl', '-qw', f'net.ipv6.conf.{name}.addr_gen_mode=1'], check=True)
        ip('link', 'set', name, 'up')
        ip('addr', 'add', f'10.5.{number}.1/24', 'dev', name)
        ip('addr', 'add', f'fd00:5:{number}::1/64', 'dev', name, 'nodad')
    ip('route', 'add', '10.5.3.0/24', 'dev', 'tout', 'mtu', '900')
    ip('-6', 'route', 'add', 'fd00:5:3::/64', 'dev', 'tout', 'mtu', '1300')
    return fds


def drain(fd, seconds):
    """Packets until none came for so long."""
    packets = []
    while select.select([fd], [], [], seconds)[0]:
        packets.append(os.read(fd, 70000))
    return packets


def is_error(packet):
    return packet[9] == 1 if packet[0] >> 4 == 4 else packet[6] == 58 and packet[40] < 128


def total(data):
    data += b'\0' * (len(data) % 2)
    value = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while value > 0xFFFF:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def ip_header(version, protocol, body, *, hops=64, tos=0, identification=0x1234, dont_fragment=True, ip_options=b'', network=2):
    if version == 6:
        source, destination = IPV6
        destination = destination[:5] + bytes([network]) + destination[6:]
        return struct.pack('!IHBB', 6 << 28 | tos << 20 | 0xABCDE, len(body), protocol, hops) + source + destination
    source, destination = IPV4
    destination = bytes([10, 5, network, 2])
    words = 5 + len(ip_options) // 4
    header = struct.pack('!BBHHHBBH', 0x40 + words, tos, words * 4 + len(body), identification, 0x4000 if dont_fragment else 0, hops,
                         protocol, 0) + source + destination + ip_options
    return header[:10] + struct.pack('!H', 0xFFFF ^ total(header)) + header[12:]


def pseudo(version, protocol, length, network=2):
    header = ip_header(version, protocol, b'', network=network)
    return total((header[12:20] if version == 4 else header[8:40]) + struct.pack('!II', protocol, length))


def payload(count):
    return bytes((i * 7 + i // 256) & 0xFF for i in range(count))


def tcp(version, count, *, flags=ACK, sequence=0xFFFFFF00, options=TIMESTAMPS, network=2, **ip_fields):
    length = 20 + len(options) + count
    segment = struct.pack('!HHIIBBHHH', 40000, 443, sequence, 77, (5 + len(options) // 4) << 4, flags, 501,
                          pseudo(version, 6, length, network), 0) + options + payload(count)
    return ip_header(version, 6, segment, network=network, **ip_fields) + segment


def udp(version, count, *, data=None, network=2, **ip_fields):
    data = payload(count) if data is None else data
    datagram = struct.pack('!HHHH', 5000, 53, 8 + len(data), pseudo(version, 17, 8 + len(data), network)) + data
    return ip_header(version, 17, datagram, network=network, **ip_fields) + datagram


def virtio(packet, gso_type, gso_size):
    start = 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4
    is_tcp = packet[6 if packet[0] >> 4 == 6 else 9] == 6
    header = start + ((packet[start + 12] >> 4) * 4 if is_tcp else 8)
    return struct.pack('=BBHHHH', NEEDS_CHECKSUM, gso_type, header, gso_size, start, 16 if is_tcp else 6) + packet


def sums_to_zero():
    """A datagram whose checksum comes out as zero, which goes as 0xffff (RFC 768)."""
    blank = udp(4, 0, data=payload(30) + b'\0\0')
    missing = 0xFFFF - total(struct.pack('!H', pseudo(4, 17, 40)) + blank[20:26] + blank[28:])
    return udp(4, 0, data=payload(30) + struct.pack('!H', missing))


SEGMENTS = {
    'tcp4': virtio(tcp(4, 350), TCP4, 100),
    'tcp4-exact': virtio(tcp(4, 300), TCP4, 100),
    'tcp4-fin-push-cwr': virtio(tcp(4, 250, flags=ACK | FIN | PSH | ECE | CWR, tos=2), TCP4 | ECN, 100),
    'tcp4-identification-wraps': virtio(tcp(4, 400, identification=0xFFFE, dont_fragment=False), TCP4, 100),
    'tcp4-ip-options': virtio(tcp(4, 250, options=b'', ip_options=bytes([1, 1, 1, 0]), tos=8), TCP4, 99),
    'tcp4-one-packet': virtio(tcp(4, 120), 0, 0),
    'tcp6': virtio(tcp(6, 350), TCP6, 100),
    'tcp6-fin-push-cwr': virtio(tcp(6, 250, flags=ACK | FIN | PSH | ECE | CWR, tos=2), TCP6 | ECN, 101),
    'tcp6-one-packet': virtio(tcp(6, 121, flags=ACK | PSH), 0, 0),
    'udp4': virtio(udp(4, 350), UDP, 100),
    'udp4-identification-wraps': virtio(udp(4, 333, identification=0xFFFF, dont_fragment=False), UDP, 111),
    'udp4-checksum-zero': virtio(sums_to_zero(), 0, 0),
    'udp6': virtio(udp(6, 350), UDP, 100),
    'udp6-odd': virtio(udp(6, 205), UDP, 51),
}
ICMP_ERRORS = {
    'time-exceeded4': udp(4, 40, hops=1),
    'time-exceeded4-long': udp(4, 900, hops=1),
    'time-exceeded6': udp(6, 40, hops=1),
    'time-exceeded6-long': udp(6, 1400, hops=1),
    'too-big4': tcp(4, 1000, network=3),
    'too-big6': tcp(6, 1400, network=3),
}


def record_seed(name, records):
    with open(os.path.join(CORPUS, name), 'wb') as seed:
        for kind, record in records:
            seed.write(struct.pack('!BH', kind, len(record)) + record)


def main():
    entrance, exit_ = prepare()
    drain(entrance, 0.5), drain(exit_, 0.5)
    release = os.uname().release.split('-')[0]
    with open(os.path.join(HERE, 'segments.txt'), 'w') as file:
        file.write(f'# Recorded from Linux {release} by record.py: what goes in, and what the kernel makes of it.\n')
        for name, packet in SEGMENTS.items():
            os.write(entrance, packet)
            pieces = [piece[10:] for piece in drain(exit_, 0.2)]
            if not pieces:
                sys.exit(f'{name}: the kernel forwards nothing')
            file.write(''.join([f'\n{name}\nin {packet.hex()}\n', *(f'out {piece.hex()}\n' for piece in pieces)]))
            record_seed(name, [(0, packet), *((1, piece) for piece in pieces)])
    with open(os.path.join(HERE, 'icmp-errors.txt'), 'w') as file:
        file.write(f'# Recorded from Linux {release} by record.py: a packet, and the error that the kernel sends about it.\n')
        for name, packet in ICMP_ERRORS.items():
            os.write(entrance, bytes(10) + packet)
            answers = [answer[10:] for answer in drain(entrance, 0.2) if is_error(answer[10:])]
            if len(answers) != 1:
                sys.exit(f'{name}: {len(answers)} answers')
            file.write(f'\n{name}\nin {packet.hex()}\nout {answers[0].hex()}\n')
            record_seed(name, [(0, bytes(10) + packet), (1, answers[0])])


main()
