"""Two hosts with packet loops and a pod each, on a kernel that is not the test machine's. Prints one JSON object of what happened; judging
it is the caller's business. Usage: two-hosts.py NODE

    pod a ── host a ══ 192.168.7.0/24 ══ host b ── pod b
    10.5.1.2   .1                          .2      10.5.2.2

Emulation is slow, Node most of all: both hosts are started at once, and everything is done with the same two.
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
NATIVE = HERE.parent / "native"
STARTED = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - STARTED:.1f} s] {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def ip(netns, *commands):
    """Several commands in one process: starting one takes long here."""
    run("ip", "-n", netns, "-batch", "-", input="\n".join(commands))


class Agent:
    """A program in a namespace that answers every line with a line, both JSON; see ../native/lab.ts."""

    def __init__(self, netns, *argv):
        command = ["ip", "netns", "exec", netns, *map(str, argv)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ready(self):
        self.line()
        return self

    def line(self):
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.child.args[-1]} has ended with {self.child.wait()}")
        return json.loads(line)

    def ask(self, **question):
        self.child.stdin.write(json.dumps(question) + "\n")
        self.child.stdin.flush()
        answer = self.line()
        if "error" in answer:
            raise RuntimeError(json.dumps(answer["error"]))
        return answer["result"]


class Site:
    def __init__(self, name, number):
        self.name, self.number, self.peer = name, number, 3 - number
        self.underlay, self.far_underlay = f"192.168.7.{number}", f"192.168.7.{self.peer}"
        self.pod_addresses = [f"10.5.{number}.2", f"fd00:5:{number}::2"]

    def build(self):
        n, far_end = self.number, f"p{self.name}"
        ip(
            self.name,
            f"address add {self.underlay}/24 dev eth0",
            "link set eth0 up",
            f"link add pod0 mtu 1472 type veth peer name eth0 mtu 1472 netns {far_end}",
            f"address add 10.5.{n}.1/24 dev pod0",
            f"address add fd00:5:{n}::1/64 dev pod0 nodad",
            "link set pod0 up",
        )
        ip(
            far_end,
            f"address add 10.5.{n}.2/24 dev eth0",
            f"address add fd00:5:{n}::2/64 dev eth0 nodad",
            "link set eth0 up",
            f"route add default via 10.5.{n}.1",
            f"route add default via fd00:5:{n}::1",
        )
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def run(self, *command):
        return run("ip", "netns", "exec", self.name, *command)

    def start_programs(self):
        self.host = Agent(self.name, sys.argv[1], "--expose-gc", NATIVE / "loop-host.mjs")
        self.pod = Agent(f"p{self.name}", sys.executable, HERE / "pod.py")

    @property
    def far_prefixes(self):
        return [{"prefix": prefix, "endpoint": self.far_underlay} for prefix in (f"10.5.{self.peer}.0/24", f"fd00:5:{self.peer}::/64")]

    def start_loop(self):
        features = self.host.ask(command="start", options={"listen": {"ipv4": self.underlay}}, routes=self.far_prefixes)
        ip(
            self.name,
            f"address replace 10.5.{self.number}.0/32 dev flannel0",
            "link set flannel0 up",
            f"route replace 10.5.{self.peer}.0/24 dev flannel0",
            f"route replace fd00:5:{self.peer}::/64 dev flannel0",
        )
        return features

    def start_kernel_path(self):
        place = {"tunName": "flannel0", "uplinkName": "eth0", "localAddress": self.underlay}
        return self.host.ask(command="kernelPath", place=place, peers=self.far_prefixes)


def transfers(a, b):
    """Content both ways, of both protocols, in both families."""
    arrived = {}
    for source, target in ((a, b), (b, a)):
        for family, address in zip((4, 6), target.pod_addresses):
            way = f"{source.name} to {target.name}, IPv{family}"
            arrived[f"TCP {way}"] = source.pod.ask(protocol="tcp", to=address, bytes=500_000)
            arrived[f"UDP {way}"] = source.pod.ask(protocol="udp", to=address, datagrams=64)
    return arrived


def udp_segment_error(site):
    """What the kernel itself says to UDP_SEGMENT on the uplink of a host: the name of an errno, or None."""
    return site.run(sys.executable, NATIVE / "udp-segment.py", site.far_underlay).strip() or None


def loops(a, b):
    features = [site.start_loop() for site in (a, b)][0]
    say("loops run")
    return {"features": features, "arrived": transfers(a, b), "stats": a.host.ask(command="stats")}


def without_checksum_offload(a, b):
    for site in (a, b):
        site.run("ethtool", "-K", "eth0", "tx", "off")
    refused = udp_segment_error(a)
    arrived = transfers(a, b)
    for site in (a, b):
        site.run("ethtool", "-K", "eth0", "tx", "on")
    return {"refused": refused, "arrived": arrived, "features": a.host.ask(command="features"), "stats": a.host.ask(command="stats")}


def kernel_path(a, b):
    before = a.host.ask(command="stats")
    for site in (a, b):
        site.start_kernel_path()
    say("programs are loaded")
    arrived = transfers(a, b)
    loop = {name: a.host.ask(command="stats")[name] - before[name] for name in ("txPackets", "rxPackets")}
    return {"arrived": arrived, "stats": a.host.ask(command="kernelPathStats"), "loop": loop}


def main():
    a, b = Site("a", 1), Site("b", 2)
    for netns in ("a", "pa", "b", "pb"):
        run("ip", "netns", "add", netns)
    run("ip", "link", "add", "eth0", "netns", "a", "type", "veth", "peer", "name", "eth0", "netns", "b")
    for site in (a, b):
        site.build()
        site.start_programs()
    for site in (a, b):
        site.host.ready()
        site.pod.ready()
    say("programs run")
    report = {"release": os.uname().release}
    for part in (loops, without_checksum_offload, kernel_path):
        try:
            report[part.__name__] = part(a, b)
        except Exception as error:
            report[part.__name__] = {"error": str(error)}
        say(f"{part.__name__} done")
    print(json.dumps(report))


main()
