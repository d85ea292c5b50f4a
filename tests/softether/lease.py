"""lease.py INTERFACE: asks for a DHCP lease on an interface without an address and prints the options of the answers."""

import json
import os
import socket
import struct
import sys
import time

DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
# mask, router, DNS, domain, static routes, NTP, search list, classless routes, Microsoft's classless routes
WISHES = bytes([1, 3, 6, 15, 33, 42, 119, 121, 249])


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def message(mac, xid, options):
    bootp = struct.pack("!BBBBIHH16x16s64x128xI", 1, 1, 6, 0, xid, 0, 0x8000, mac, 0x63825363) + options + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + head + udp


def answer(wire, xid, kind):
    deadline = time.monotonic() + 2
    while (left := deadline - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            frame = wire.recv(2048)
        except TimeoutError:
            break
        bootp = frame[14 + 20 + 8 :]
        if frame[12:14] != b"\x08\x00" or frame[34:38] != b"\x00\x43\x00\x44" or bootp[4:8] != struct.pack("!I", xid):
            continue
        options, rest = {}, bootp[240:]
        while rest and rest[0] != 255:
            if rest[0]:
                options[rest[0]] = rest[2 : 2 + rest[1]]
                rest = rest[2 + rest[1] :]
            else:
                rest = rest[1:]
        if options.get(53) == bytes([kind]):
            return socket.inet_ntoa(bootp[16:20]), options
    return None


def main(interface):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    wire.bind((interface, 0))
    mac, xid = wire.getsockname()[4], int.from_bytes(os.urandom(4), "big")
    wish = b"\x37" + bytes([len(WISHES)]) + WISHES
    for _ in range(5):
        wire.send(message(mac, xid, b"\x35\x01" + bytes([DISCOVER]) + wish))
        if offer := answer(wire, xid, OFFER):
            address, options = offer
            ask = b"\x32\x04" + socket.inet_aton(address) + b"\x36\x04" + options[54]
            wire.send(message(mac, xid, b"\x35\x01" + bytes([REQUEST]) + ask + wish))
            if ack := answer(wire, xid, ACK):
                lease = {"address": ack[0], "options": {str(k): v.hex() for k, v in {**options, **ack[1]}.items()}}
                print(json.dumps(lease))
                return 0
    return "no lease"


sys.exit(main(sys.argv[1]))
