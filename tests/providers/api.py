"""api.py CASE: answers as a provider's API, on a port of its own, the requests that the case lists. Prints the port, then a line
for each request: `{request, known, body}`, whose body is JSON; a form is an object of strings."""

import http.server
import json
import sys
import urllib.parse

import yaml

answers = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            body = json.dumps(dict(urllib.parse.parse_qsl(body)))
        request = f"{self.command} {self.path.split('?')[0]}"
        known = answers.get(request)
        answer = known if isinstance(known, str) else json.dumps(known)
        print(json.dumps({"request": request, "known": known is not None, "body": json.loads(body or "null")}), flush=True)
        self.send_response(200 if known is not None else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Content-Type", "text/xml" if isinstance(known, str) else "application/json")
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1]) as case:
    text = case.read().replace("{api}", f"http://127.0.0.1:{server.server_port}")
answers = yaml.safe_load(text)["answers"]
print(server.server_port, flush=True)
server.serve_forever()
