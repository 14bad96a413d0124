import base64
import io
import math

import jinja2
import pytest
from PIL import Image

from nstkit.pages.render import as_data, curve_points, write_page


def test_a_picture_stands_in_the_page_itself():
    kind, _, data = as_data(Image.new("RGBA", (80, 40), "red"), 20).partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (20, 10)


def test_curve_leaves_out_what_has_no_logarithm():
    assert curve_points([math.nan, 4.0, 0.0, 1.0], (30, 10)) == "10.0,0.0 30.0,10.0"
    assert curve_points([]) == curve_points([0.0]) == ""
    assert curve_points([2.0], (30, 10)) == "0.0,0.0"


def test_what_a_template_shows_is_escaped_and_what_it_lacks_an_error(tmp_path):
    template = tmp_path / "page.html"
    template.write_text('{% extends "base.html" %}{% block body %}{{ word }}{% endblock %}')
    write_page(tmp_path / "out.html", template, title="t", word="<script>")
    text = (tmp_path / "out.html").read_text()
    assert "&lt;script&gt;" in text
    assert text.startswith("<!doctype html>")
    with pytest.raises(jinja2.UndefinedError):
        write_page(tmp_path / "out.html", template, title="t")
