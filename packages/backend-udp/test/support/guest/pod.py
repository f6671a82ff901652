"""A pod: answers TCP on port 7000 with the SHA-256 of what came, and echoes UDP on port 7001. One JSON object a line in, one out:
{"protocol": "tcp", "to": ADDRESS, "bytes": N} or {"protocol": "udp", "to": ADDRESS, "datagrams": N}; {"result": true} when content arrived as
it was sent."""
import hashlib
import json
import os
import socket
import struct
import sys
import threading

TCP, UDP = 7000, 7001
SOL_UDP, UDP_SEGMENT = 17, 103
DATAGRAM_BYTES = 1200
# A super-packet each.
BATCH = 16
TRIES, TRY_SECONDS = 30, 2


def serve_tcp(server):
    while True:
        connection, _ = server.accept()
        digest = hashlib.sha256()
        while data := connection.recv(1 << 20):
            digest.update(data)
        connection.sendall(digest.hexdigest().encode())
        connection.close()


def echo_udp(server):
    while True:
        data, sender = server.recvfrom(65536)
        server.sendto(data, sender)


def send_tcp(to, bytes):
    data = os.urandom(bytes)
    with socket.create_connection((to, TCP), timeout=60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(100):
            answer += part
    return answer.decode() == hashlib.sha256(data).hexdigest()


def send_udp(to, datagrams):
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((to, UDP))
        client.settimeout(TRY_SECONDS)
        segment = [(SOL_UDP, UDP_SEGMENT, struct.pack("H", DATAGRAM_BYTES))]
        return all(echoed(client, segment) for _ in range(0, datagrams, BATCH))


def echoed(client, segment):
    """Sends what has not come back yet until all has; UDP may lose packets, but never change them."""
    waiting = [os.urandom(DATAGRAM_BYTES) for _ in range(BATCH)]
    for _ in range(TRIES):
        client.sendmsg([b"".join(waiting)], segment)
        try:
            while waiting:
                answer = client.recv(65536)
                if answer not in waiting:
                    return False
                waiting.remove(answer)
            return True
        except TimeoutError:
            continue
    return False


def in_background(function, server):
    threading.Thread(target=function, args=(server,), daemon=True).start()


in_background(serve_tcp, socket.create_server(("::", TCP), family=socket.AF_INET6, dualstack_ipv6=True))
echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
echo.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
echo.bind(("::", UDP))
in_background(echo_udp, echo)
print('{"ready":true}', flush=True)
for line in sys.stdin:
    task = json.loads(line)
    try:
        if task["protocol"] == "tcp":
            answer = {"result": send_tcp(task["to"], task["bytes"])}
        else:
            answer = {"result": send_udp(task["to"], task["datagrams"])}
    except OSError as error:
        answer = {"error": {"message": str(error)}}
    print(json.dumps(answer), flush=True)
