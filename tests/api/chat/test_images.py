import pytest

from proxy.api.chat.images import image_format, image_items, image_object

ITEM = {"type": "image_generation_call", "status": "completed", "result": "iVBORw0=", "output_format": "webp"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/webp;base64,iVBORw0="}, "index": 2}


def test_an_image_there_and_back():
    assert image_object({"id": "ig_1", **ITEM}, 2) == IMAGE
    assert image_items([IMAGE, {"image_url": IMAGE["image_url"]["url"]}]) == [ITEM, ITEM]


@pytest.mark.parametrize(
    "item", [{**ITEM, "type": "web_search_call"}, {**ITEM, "result": None}, {"type": ITEM["type"]}]
)
def test_what_is_no_image_has_no_entry(item):
    assert image_object(item, 0) is None


@pytest.mark.parametrize(
    "images",
    [
        None,
        {},
        ["x", 5, {}, {"image_url": {}}],
        [{"image_url": {"url": "https://a.example/b.png"}}],
        [{"image_url": {"url": "data:image/png,%89PNG"}}],
        [{"image_url": {"url": "data:application/pdf;base64,eA=="}}],
    ],
)
def test_what_holds_no_bytes_of_an_image_is_left_out(images):
    assert image_items(images) == []


@pytest.mark.parametrize(
    ("data", "named", "kind"),
    [
        ("iVBORw0=", None, "png"),
        ("/9j/4AA", "", "jpeg"),
        ("UklGRg", 5, "webp"),
        ("x", None, "png"),
        ("x", "avif", "avif"),
    ],
)
def test_the_kind_of_an_image(data, named, kind):
    assert image_format(data, named) == kind
