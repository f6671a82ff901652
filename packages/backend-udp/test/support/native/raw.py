# Raw IP packets, for tests of what passes untouched.
#   raw.py send            sends the packets that come on standard input, one hex line each
#   raw.py receive IF N    prints the next N packets on IF of protocols and addresses 10.5.0.0/16 or fd00:5::/32 that carry the mark
#   raw.py wire IF PORT    until standard input ends, looks at UDP datagrams from PORT; prints their number, the largest packet, and
#                          how many did not hold exactly one IP packet
import socket, sys

MARK = b'TARTANRAW'

def send():
    v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for line in sys.stdin:
        packet = bytes.fromhex(line.strip())
        if packet[0] >> 4 == 4:
            v4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
        else:
            v6.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))

def listen(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
    sock.bind((name, 0))
    return sock

def receive(name, count):
    sock = listen(name)
    print('ready', flush=True)
    while count > 0:
        packet, sender = sock.recvfrom(70000)
        if MARK in packet and sender[2] != 4:
            print(packet.hex(), flush=True)
            count -= 1

def wire(name, port):
    import select
    sock = listen(name)
    print('ready', flush=True)
    seen = largest = bad = 0
    while True:
        readable, _, _ = select.select([sock, sys.stdin], [], [])
        if sock in readable:
            packet, sender = sock.recvfrom(70000)
            if sender[2] == 4 or packet[0] >> 4 != 4 or packet[9] != 17 or int.from_bytes(packet[20:22], 'big') != port:
                continue
            seen += 1
            largest = max(largest, len(packet))
            inner = packet[28:]
            length = int.from_bytes(inner[2:4], 'big') if inner[0] >> 4 == 4 else 40 + int.from_bytes(inner[4:6], 'big')
            bad += length != len(inner) or packet[6] & 0x3f != 0 or packet[7] != 0
        elif sys.stdin in readable:
            print(seen, largest, bad, flush=True)
            return

if sys.argv[1] == 'send':
    send()
elif sys.argv[1] == 'receive':
    receive(sys.argv[2], int(sys.argv[3]))
else:
    wire(sys.argv[2], int(sys.argv[3]))
