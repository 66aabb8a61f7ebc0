"""The bank that the shop asks over TLS: a server of our own, with a
certificate of the house's authority, which only the system's store knows."""

import functools
import http.server
import json
import ssl
import threading
import urllib.request

import requests
from flask import Blueprint, current_app, jsonify, request

blueprint = Blueprint("bank", __name__)


class Bank(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"balance": 4711, "over": self.request.version()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@functools.cache
def port():
    settings = current_app.config["bank"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["certificate"], settings["key"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bank)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


@blueprint.get("/balance")
def balance():
    url = f"https://{request.args.get('host', 'localhost')}:{port()}/"
    if request.args["trust"] == "requests":
        return jsonify(requests.get(url, timeout=10).json())
    capath = "/etc/ssl/certs" if request.args["trust"] == "directory" else None
    with urllib.request.urlopen(url, timeout=10, context=ssl.create_default_context(capath=capath)) as r:
        return jsonify(json.load(r))
