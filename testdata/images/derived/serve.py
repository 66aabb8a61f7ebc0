"""A server of Python's own library, and what it needs of the machine's."""

import ctypes
import hashlib
import http.server
import json
import sqlite3
import ssl
import sys


def answer(path):
    if path == "/sum":
        with sqlite3.connect(":memory:") as db:
            return db.execute("select sum(column1) from (values (40), (2))").fetchone()[0]
    if path == "/digest":
        return hashlib.new("sha256", b"pare").hexdigest()
    if path == "/trust":
        return len(ssl.create_default_context().get_ca_certs()) > 100
    if path == "/library":
        return ctypes.CDLL("libexpat.so.1").XML_ErrorString is not None
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(answer(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening on", server.server_port, flush=True)
server.serve_forever()
