"""Products and orders in SQLite, pages from templates, couriers as plugins."""

import csv
import importlib
import io
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from flask import Blueprint, Response, current_app, jsonify, render_template, request

blueprint = Blueprint("orders", __name__)


def database():
    db = sqlite3.connect(current_app.config["shop"]["database"], timeout=10)
    db.row_factory = sqlite3.Row
    return closing(db)


@blueprint.get("/")
def index():
    with database() as db:
        products = db.execute("SELECT * FROM product ORDER BY name COLLATE NOCASE").fetchall()
    return render_template("index.html", shop=current_app.config["shop"]["name"], products=products)


@blueprint.put("/orders/<ref>")
def order(ref):
    wanted = request.get_json()
    with database() as db, db:
        db.execute("INSERT OR REPLACE INTO purchase VALUES (?, ?, ?)", (ref, wanted["product"], wanted["count"]))
    return "", 204


@blueprint.get("/orders/<ref>")
def show(ref):
    with database() as db:
        row = db.execute(
            "SELECT ref, name, count, count * cents AS cents FROM purchase JOIN product ON product.id = product WHERE ref = ?",
            (ref,),
        ).fetchone()
    return jsonify(dict(row)) if row else ("", 404)


@blueprint.get("/search")
def search():
    with database() as db:
        rows = db.execute("SELECT name FROM search WHERE search MATCH ? ORDER BY rank", (request.args["q"],))
        return jsonify([r["name"] for r in rows])


@blueprint.get("/products.csv")
def products():
    out = io.StringIO()
    w = csv.writer(out)
    with database() as db:
        for r in db.execute("SELECT name, cents FROM product ORDER BY id"):
            w.writerow([r["name"], Decimal(r["cents"]) / 100])
    return Response(out.getvalue(), mimetype="text/csv")


@blueprint.get("/delivery/<courier>")
def delivery(courier):
    known = {p.stem for p in Path(__file__).with_name("plugins").glob("[a-z]*.py")}
    if courier not in known:
        return jsonify(known=sorted(known)), 404
    plugin = importlib.import_module(f"shop.plugins.{courier}")
    return jsonify(plugin.offer(int(request.args["grams"])))
