"""breaks_off.py ADDRESS PORT FILE: serves a file; every answer ends half way."""

import http.server
import sys

with open(sys.argv[3], "rb") as file:
    content = file.read()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])


http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
