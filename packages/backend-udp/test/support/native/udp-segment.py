"""What the kernel says to UDP_SEGMENT on the way to an address: prints the name of an errno, or nothing. Usage: udp-segment.py ADDRESS"""
import errno
import socket
import struct
import sys

SOL_UDP, UDP_SEGMENT = 17, 103
DISCARD = 9

sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    sender.sendmsg([bytes(3000)], [(SOL_UDP, UDP_SEGMENT, struct.pack("H", 1000))], 0, (sys.argv[1], DISCARD))
except OSError as error:
    print(errno.errorcode[error.errno])
