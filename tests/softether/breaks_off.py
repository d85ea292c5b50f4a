"""breaks_off.py FILE: serves a file at 127.0.0.1:8000; the first answer ends half way."""

import http.server
import sys

with open(sys.argv[1], "rb") as file:
    content = file.read()


class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Handler.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if Handler.asked == 1 else content)


http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
