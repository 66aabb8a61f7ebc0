"""A small web shop that uses what such shops use of Python and its system."""

import yaml
from flask import Flask, jsonify, render_template

from . import bank, orders, system, text


def create_app(settings="/etc/shop/settings.yaml"):
    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    with open(settings, encoding="utf-8") as f:
        app.config.update(yaml.safe_load(f))
    for part in (bank, orders, system, text):
        app.register_blueprint(part.blueprint)

    @app.errorhandler(404)
    def lost(_):
        return render_template("lost.html"), 404

    @app.errorhandler(Exception)
    def broken(e):
        app.logger.exception("broken")
        return jsonify(error=repr(e)), 500

    return app
