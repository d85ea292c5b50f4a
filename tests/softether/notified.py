"""notified.py SOCKET COMMAND…: runs a command as systemd runs a Type=notify service; ends it, well, once it is ready."""

import os
import socket
import subprocess
import sys

path, command = sys.argv[1], sys.argv[2:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(path)
listener.settimeout(110)
service = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": path})
try:
    # What comes along with a message (systemd-notify waits until its barrier is closed) is not taken, and so closed.
    while b"READY=1" not in listener.recv(4096):
        pass
finally:
    service.kill()
