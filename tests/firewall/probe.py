"""probe.py NAMESPACE: tries each line `NAMESPACE SOURCE tcp|udp DESTINATION PORT` of its own, and says what came."""
import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def probe(line):
    _, source, kind, destination, port = line.split()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as one:
        one.settimeout(1.5)
        one.bind((source, 0))
        try:
            one.connect((destination, int(port)))
            if kind == "udp":
                one.send(b"x")
                one.recv(9)
            return f"{line} open"
        except OSError:
            return f"{line} closed"


lines = [line.strip() for line in sys.stdin if line.startswith(sys.argv[1] + " ")]
with ThreadPoolExecutor(32) as pool:
    print(*pool.map(probe, lines), sep="\n")
