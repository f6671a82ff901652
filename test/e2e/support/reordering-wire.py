"""A wire between two network interfaces that lets datagrams of the tunnel overtake each other.

    reordering-wire.py INTERFACE INTERFACE PORT

Frames go from one interface to the other as they come, except that of the UDP datagrams to PORT every HOLD_EACH-th waits until
HELD_BEHIND later ones have passed it, or until nothing has come for QUIET seconds. At SIGTERM it prints how many were overtaken.
"""
import select, signal, socket, struct, sys

HOLD_EACH, HELD_BEHIND, QUIET = 5, 3, 0.003
SO_RCVBUFFORCE, SOL_PACKET, PACKET_IGNORE_OUTGOING = 33, 263, 23
ETH_P_ALL, IPV4, IPV6, UDP = 3, 0x0800, 0x86DD, 17


def is_datagram(frame, port):
    kind, = struct.unpack_from('!H', frame, 12)
    at, protocol = (14 + (frame[14] & 15) * 4, frame[23]) if kind == IPV4 else (54, frame[20]) if kind == IPV6 else (0, 0)
    return protocol == UDP and struct.unpack_from('!H', frame, at + 2)[0] == port


class Direction:
    def __init__(self, come, go, port):
        self.come, self.go, self.port = come, go, port
        self.seen = self.overtaken = self.passed = 0
        self.held = None

    def forward(self, frame):
        if not is_datagram(frame, self.port):
            return self.go.send(frame)
        self.seen += 1
        if self.held is None and self.seen % HOLD_EACH == 0:
            self.held, self.passed = frame, 0
            return
        self.go.send(frame)
        if self.held is not None:
            self.passed += 1
            if self.passed == HELD_BEHIND:
                self.release()

    def release(self):
        if self.held is not None:
            self.go.send(self.held)
            self.overtaken += self.passed > 0
            self.held = None


def attach(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.bind((name, ETH_P_ALL))
    return sock


def main(one, other, port):
    a, b = attach(one), attach(other)
    ways = {a: Direction(a, b, port), b: Direction(b, a, port)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print('ready', flush=True)
    try:
        while True:
            readable, _, _ = select.select([a, b], [], [], QUIET)
            for sock in readable:
                ways[sock].forward(sock.recv(70000))
            if not readable:
                for way in ways.values():
                    way.release()
    finally:
        print(sum(way.overtaken for way in ways.values()), flush=True)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
