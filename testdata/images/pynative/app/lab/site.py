from flask import Flask, jsonify, render_template

from . import documents, numbers, pictures, words


def create():
    app = Flask(__name__, static_folder="../static")
    for part in (documents, numbers, pictures, words):
        app.register_blueprint(part.blueprint)

    @app.get("/")
    def start():
        return render_template("start.html", mean=numbers.mean(), title=documents.title())

    @app.errorhandler(404)
    def lost(_):
        return render_template("lost.html"), 404

    @app.errorhandler(Exception)
    def broken(e):
        app.logger.exception("broken")
        return jsonify(error=repr(e)), 500

    return app
