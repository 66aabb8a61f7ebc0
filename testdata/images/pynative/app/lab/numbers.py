"""What is computed; most of it is imported when it is first asked for."""

import io
import pathlib

import numpy as np
from flask import Blueprint, Response, jsonify, request

blueprint = Blueprint("numbers", __name__)
STATE = pathlib.Path("/var/lib/lab")


def mean():
    return np.arange(10).mean()


def sent():
    return [float(w) for w in request.args["of"].split()]


@blueprint.get("/solve")
def solve():
    a = np.array([[3.0, 1.0], [1.0, 2.0]])
    x = np.linalg.solve(a, sent())
    return jsonify(x=[round(v, 6) for v in x], det=round(float(np.linalg.det(a)), 6))


@blueprint.get("/spectrum")
def spectrum():
    return jsonify([round(float(v), 6) for v in np.abs(np.fft.rfft(sent()))])


@blueprint.get("/draws")
def draws():
    return jsonify([int(v) for v in np.random.default_rng(7).integers(0, 100, 5)])


@blueprint.get("/roots")
def roots():
    from numpy.polynomial import Polynomial

    return jsonify([round(float(v), 6) for v in Polynomial(sent()).roots()])


@blueprint.get("/masked")
def masked():
    import numpy.ma as ma

    return jsonify(float(ma.masked_less(np.array(sent()), 0).mean()))


@blueprint.put("/series/<name>")
def keep(name):
    (STATE / (name + ".json")).write_bytes(request.get_data())
    return "", 204


@blueprint.get("/series/<name>")
def kept(name):
    return Response((STATE / (name + ".json")).read_bytes(), content_type="application/json")


@blueprint.get("/series.npz")
def packed():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.array(sent()))
    buffer.seek(0)
    return jsonify(members=np.load(buffer).files, first=float(np.load(io.BytesIO(buffer.getvalue()))["a"][0]))


@blueprint.get("/table.csv")
def table():
    import csv

    out = io.StringIO()
    writer = csv.writer(out)
    for row in np.array(sent()).reshape(-1, 2).tolist():
        writer.writerow(row)
    return Response(out.getvalue(), content_type="text/csv")


@blueprint.get("/rows")
def rows():
    import sqlite3

    db = sqlite3.connect(":memory:")
    db.execute("create table t (x real)")
    db.executemany("insert into t values (?)", [(v,) for v in sent()])
    return jsonify(db.execute("select count(*), sum(x), group_concat(x, '/') from t").fetchone())


@blueprint.get("/apart")
def apart():
    """A calculation in a process of its own."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "lab.apart", *request.args["of"].split()],
                          capture_output=True, check=True, text=True)
    return jsonify(float(done.stdout))


@blueprint.get("/statistics")
def stats():
    import decimal
    import fractions
    import statistics

    values = [fractions.Fraction(w) for w in request.args["of"].split()]
    return jsonify(mean=str(statistics.fmean(values)), median=str(statistics.median(values)),
                   exact=str(decimal.Decimal(1) / decimal.Decimal(7)))
