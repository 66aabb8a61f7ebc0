"""Documents: XML, HTML, style sheets, schemas."""

import pathlib

from flask import Blueprint, Response, jsonify, request
from lxml import etree

blueprint = Blueprint("documents", __name__)
STYLES = pathlib.Path(__file__).parent.parent / "styles"
SAMPLES = b"<samples><sample kind='salt'>3</sample><sample kind='acid'>4</sample></samples>"


def title():
    return etree.fromstring("<t>The <b>laboratory</b></t>").xpath("string()")


@blueprint.get("/samples")
def samples():
    sheet = etree.XSLT(etree.parse(STYLES / "samples.xsl"))
    return Response(str(sheet(etree.fromstring(SAMPLES))), content_type="text/plain; charset=utf-8")


@blueprint.post("/valid")
def valid():
    """By RELAX NG, XML Schema or Schematron."""
    document = etree.fromstring(request.get_data())
    by = request.args["by"]
    if by == "schematron":
        from lxml import isoschematron

        schema = isoschematron.Schematron(etree.parse(STYLES / "samples.sch"))
    elif by == "relaxng":
        schema = etree.RelaxNG(etree.parse(STYLES / "samples.rng"))
    else:
        schema = etree.XMLSchema(etree.parse(STYLES / "samples.xsd"))
    return jsonify(schema.validate(document))


@blueprint.post("/links")
def links():
    import lxml.html

    page = lxml.html.document_fromstring(request.get_data(), base_url="http://lab.example/a/")
    page.make_links_absolute()
    return jsonify([link for _, _, link, _ in page.iterlinks()])


@blueprint.post("/clean")
def clean():
    from lxml.html.clean import clean_html

    return Response(clean_html(request.get_data(as_text=True)), content_type="text/html; charset=utf-8")


@blueprint.get("/object")
def read_object():
    from lxml import objectify

    root = objectify.fromstring(SAMPLES)
    return jsonify(sum=int(root.sample[0] + root.sample[1]), kinds=[s.get("kind") for s in root.sample])


@blueprint.get("/built")
def built():
    from lxml.builder import E

    return Response(etree.tostring(E.report(E.p("done"), by="lab")), content_type="application/xml")


@blueprint.get("/feed")
def feed():
    import xml.dom.minidom

    return Response(xml.dom.minidom.parseString(SAMPLES).toprettyxml(indent=" "), content_type="application/xml")
