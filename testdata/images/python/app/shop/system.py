"""What the shop asks its system for."""

import bz2
import ctypes
import ctypes.util
import getpass
import grp
import gzip
import hashlib
import importlib.metadata
import lzma
import mimetypes
import os
import pwd
import subprocess
import sys
import zlib
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import magic
from flask import Blueprint, current_app, jsonify, request

blueprint = Blueprint("system", __name__)


@blueprint.get("/clocks")
def clocks():
    at = datetime.fromtimestamp(int(request.args["unix"]), timezone.utc)
    zones = current_app.config["shop"]["zones"]
    return jsonify({z: at.astimezone(ZoneInfo(z)).strftime("%F %R %z %Z") for z in zones})


@blueprint.get("/digests")
def digests():
    return jsonify({name: hashlib.new(name, b"pare").hexdigest() for name in request.args["names"].split()})


@blueprint.get("/key")
def key():
    return jsonify(
        scrypt=hashlib.scrypt(b"secret", salt=b"salt", n=1024, r=8, p=1, dklen=16).hex(),
        pbkdf2=hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 1000, 16).hex(),
    )


@blueprint.get("/packed")
def packed():
    text = b"pare " * 1000
    return jsonify(
        {m.__name__: [m.decompress(m.compress(text)) == text, len(m.compress(text)) < 200] for m in (bz2, gzip, lzma, zlib)}
    )


@blueprint.get("/me")
def me():
    u = pwd.getpwuid(os.getuid())
    return jsonify(name=u.pw_name, login=getpass.getuser(), group=grp.getgrgid(os.getgid()).gr_name)


@blueprint.get("/users/<name>")
def user(name):
    u = pwd.getpwnam(name)
    return jsonify(f"{u.pw_gecos} in {u.pw_dir}, group {grp.getgrgid(u.pw_gid).gr_name}")


@blueprint.get("/kind/<path:file>")
def kind(file):
    content = (Path(current_app.static_folder) / file).read_bytes()
    return jsonify(type=magic.from_buffer(content, mime=True), says=magic.from_buffer(content))


@blueprint.get("/type/<name>")
def type_(name):
    return jsonify(mimetypes.guess_type(name)[0])


@blueprint.get("/sqlite")
def sqlite():
    """SQLite once more, found and called as C libraries are from Python."""
    found = ctypes.util.find_library("sqlite3")
    library = ctypes.CDLL(found)
    library.sqlite3_libversion.restype = ctypes.c_char_p
    return jsonify(found=found, major=library.sqlite3_libversion().split(b".")[0].decode())


@blueprint.get("/summary")
def summary():
    """The most frequent first letters, by a module run as a program and by a
    pipe of the shell."""
    words = request.args["words"]
    module = subprocess.run([sys.executable, "-m", "shop.tools.summary"], input=words, capture_output=True, text=True, check=True)
    pipe = subprocess.run(
        "tr ' ' '\\n' | cut -c1 | LC_ALL=C sort | uniq -c | sort -k1,1nr -k2 | awk '{ printf \"%s%s\", $2, $1 }'",
        input=words, shell=True, capture_output=True, text=True, check=True,
    )
    return jsonify(module=module.stdout.strip(), pipe=pipe.stdout)


@blueprint.get("/versions")
def versions():
    return jsonify({n: importlib.metadata.version(n).split(".")[0] for n in ("Flask", "gunicorn", "requests")})
