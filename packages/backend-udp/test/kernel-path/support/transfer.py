"""Random bytes over TCP and what became of them. `transfer.py receive ADDRESS PORT` prints "ready", then the SHA-256 of each connection's
bytes; `transfer.py send ADDRESS PORT BYTES` sends and prints the SHA-256 of what it sent. `send` fails after 20 seconds."""
import hashlib
import os
import socket
import sys

mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
digest = hashlib.sha256()
if mode == "receive":
    with socket.create_server((address, port), family=family) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            digest = hashlib.sha256()
            while data := connection.recv(1 << 20):
                digest.update(data)
            connection.sendall(digest.hexdigest().encode())
            connection.close()
else:
    with socket.create_connection((address, port), timeout=20) as connection:
        left = int(sys.argv[4])
        while left > 0:
            data = os.urandom(min(left, 1 << 20))
            digest.update(data)
            connection.sendall(data)
            left -= len(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(100):
            answer += data
    print(digest.hexdigest(), answer.decode())
