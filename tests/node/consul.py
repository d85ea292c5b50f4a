"""Consul's KV below genhost/swarm/, as files of a folder."""

import http.server
import os


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, code, body=b""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def name(self):
        return "/kv/" + self.path.partition("?")[0].removeprefix("/v1/kv/genhost/swarm/")

    def do_GET(self):
        name = self.name()
        self.answer(200, open(name, "rb").read()) if os.path.isfile(name) else self.answer(404)

    def do_PUT(self):
        with open(self.name() + ".new", "wb") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])))
        os.rename(self.name() + ".new", self.name())
        self.answer(200, b"true")

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", 8500), Handler).serve_forever()
