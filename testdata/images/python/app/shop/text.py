"""Languages, money, character sets."""

import gettext
import locale
import unicodedata
from pathlib import Path

from flask import Blueprint, jsonify, request

blueprint = Blueprint("text", __name__)
catalogues = Path(__file__).parents[1] / "locale"


@blueprint.get("/greet")
def greet():
    t = gettext.translation("shop", catalogues, [request.args["lang"]], fallback=True)
    n = int(request.args["n"])
    return jsonify(t.gettext("Welcome!") + " " + t.ngettext("%d item", "%d items", n) % n)


@blueprint.get("/french")
def french():
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "fr_FR.UTF-8")
        return jsonify(
            price=locale.currency(1234567.891, grouping=True),
            number=locale.format_string("%.2f", 3.14159),
            words=sorted(request.args["words"].split(), key=locale.strxfrm),
            month=locale.nl_langinfo(locale.MON_8),
        )
    finally:
        locale.setlocale(locale.LC_ALL, before)


@blueprint.get("/encode")
def encode():
    text = request.args["text"]
    encoded = text.encode(request.args["to"])
    return jsonify(hex=encoded.hex(), back=encoded.decode(request.args["to"]) == text)


@blueprint.get("/names")
def names():
    text = request.args["text"]
    return jsonify(
        names=[unicodedata.name(c) for c in text],
        plain=unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode(),
        host=text.encode("idna").decode(),
    )
