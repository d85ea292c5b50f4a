"""Answers on every port that a rule could be about."""
import select
import socket

TCP = [22, 80, 443, 2375, 3375, 5555, 7946, 8300, 8301, 8500, 9100]
UDP = [500, 1701, 4500, 4789, 7946, 8301, 9100]
sockets = []
for kind, ports in ((socket.SOCK_STREAM, TCP), (socket.SOCK_DGRAM, UDP)):
    for port in ports:
        one = socket.socket(socket.AF_INET, kind)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            one.listen()
        sockets.append(one)
while True:
    for one in select.select(sockets, [], [])[0]:
        if one.type == socket.SOCK_STREAM:
            one.accept()[0].close()
        else:
            one.sendto(b"x", one.recvfrom(99)[1])
