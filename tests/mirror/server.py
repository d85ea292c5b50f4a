"""server.py FOLDER: shows a folder on a port of its own, prints the port and then a line for each request. It knows ranges; a
path that begins with /broken/ ends half way the first time it is asked for."""

import http.server
import os
import sys

os.chdir(sys.argv[1])
asked = set()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        print(self.path, self.headers.get("Range", "-"), flush=True)
        if not os.path.isfile(name):
            return self.send_error(404)
        data = open(name, "rb").read()
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if start and start >= len(data):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        breaks = self.path.startswith("/broken/") and self.path not in asked
        asked.add(self.path)
        self.wfile.write(data[start : start + len(data) // 2] if breaks else data[start:])

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
