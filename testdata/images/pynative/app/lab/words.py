"""Clocks, character sets, packed files."""

import datetime
import io

from flask import Blueprint, jsonify, request

blueprint = Blueprint("words", __name__)


@blueprint.get("/clock")
def clock():
    from zoneinfo import ZoneInfo

    at = datetime.datetime.fromtimestamp(int(request.args["unix"]), ZoneInfo(request.args["zone"]))
    return jsonify(at.isoformat(), at.tzname())


@blueprint.get("/encode")
def encode():
    return jsonify(request.args["text"].encode(request.args["to"]).hex())


@blueprint.get("/zip")
def zipped():
    import tarfile
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as z:
        z.writestr("a.txt", request.args["text"])
    bundle = io.BytesIO()
    with tarfile.open(fileobj=bundle, mode="w:bz2") as t:
        info = tarfile.TarInfo("b.txt")
        t.addfile(info, io.BytesIO(b""))
    bundle.seek(0)
    return jsonify(zipfile.ZipFile(out).read("a.txt").decode(), tarfile.open(fileobj=bundle).getnames())


@blueprint.get("/diff")
def diff():
    import difflib
    import textwrap

    words = request.args["text"].split()
    return jsonify(difflib.get_close_matches("sulphate", words), textwrap.wrap(request.args["text"], 10))


@blueprint.get("/settings")
def settings():
    import configparser
    import tomllib

    parser = configparser.ConfigParser()
    parser.read_string("[a]\nb = 1\n")
    return jsonify(parser.getint("a", "b"), tomllib.loads("x = [1, 2]"))
