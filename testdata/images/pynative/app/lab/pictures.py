"""Pillow loads the code for a format when a picture of it is met."""

import io
import pathlib

from flask import Blueprint, Response, jsonify, request
from PIL import Image

blueprint = Blueprint("pictures", __name__)
FONT = pathlib.Path(__file__).parent.parent / "fonts" / "DejaVuSans.ttf"
TYPES = {"JPEG2000": "image/jp2"}


def gradient(width):
    return Image.linear_gradient("L").resize((width, width // 2)).convert("RGB")


@blueprint.get("/picture")
def picture():
    form = request.args["form"]
    out = io.BytesIO()
    gradient(int(request.args.get("width", "24"))).save(out, form)
    return Response(out.getvalue(), content_type=TYPES.get(form, "image/" + form.lower()))


@blueprint.post("/look")
def look():
    image = Image.open(io.BytesIO(request.get_data()))
    image.load()
    return jsonify(form=image.format, size=image.size, mode=image.mode)


@blueprint.get("/text")
def text():
    from PIL import ImageDraw, ImageFont

    font = ImageFont.truetype(str(FONT), 20)
    image = Image.new("L", (120, 30), 255)
    ImageDraw.Draw(image).text((2, 2), request.args["of"], font=font, fill=0)
    return jsonify(family=font.getname(), dark=sum(image.histogram()[:128]) > 50)


@blueprint.get("/colour")
def colour():
    from PIL import ImageCms

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.new("RGB", (1, 1), (255, 255, 255)), srgb, lab, outputMode="LAB")
    return jsonify(ImageCms.getProfileName(ImageCms.ImageCmsProfile(srgb)).strip(), image.getpixel((0, 0))[0])


@blueprint.get("/sharp")
def sharp():
    from PIL import ImageFilter, ImageMath, ImageOps, ImageStat

    image = ImageOps.grayscale(gradient(32).filter(ImageFilter.SHARPEN))
    brighter = ImageMath.eval("convert(a + 1, 'L')", a=image)
    return jsonify(ImageStat.Stat(brighter).mean[0] > ImageStat.Stat(image).mean[0])
