"""Prints which TCP ports of an address a firewall lets through within some seconds, whether somebody listens there or not."""
import socket, sys, threading

passed = []


def ask(port):
    with socket.socket() as s:
        s.settimeout(float(sys.argv[1]))
        try:
            s.connect((sys.argv[2], port))
        except ConnectionRefusedError:
            pass
        except OSError:
            return
        passed.append(port)


threads = [threading.Thread(target=ask, args=(int(port),)) for port in sys.argv[3:]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*sorted(passed))
