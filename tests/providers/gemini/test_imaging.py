import pytest

from proxy.errors import BadRequest
from tests.support.asked import call, output, request
from tests.support.gemini import build
from tests.support.strict_gemini import check

DRAWS = "gemini-3-pro-image-preview"
IMAGE = {"type": "input_image", "image_url": "gs://a/b.png"}


def asked(model=DRAWS, **fields):
    built = build(request(**{"input": "hi", **fields}), model)
    check(built.raw)
    return built


def looked(*details):
    """Returns how closely images are looked at, and what was named as without effect; the last is a tool's."""
    images = [{**IMAGE, **({"detail": detail} if detail else {})} for detail in details]
    items = [{"role": "user", "content": images[:-1]}, call("call_1"), output("call_1", images[-1:])]
    built = asked(input=items)
    return built.generation.get("mediaResolution"), built.ignored


LOW, HIGH = "MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_HIGH"


@pytest.mark.parametrize(
    ("details", "seen"),
    [
        ((None, "auto"), (None, [])),
        (("low", "low"), (LOW, [])),
        ((None, "low"), (LOW, [])),
        (("auto", "high"), (HIGH, [])),
        (("original", "auto"), (HIGH, [])),
        (("high", "low"), (HIGH, ["input[2].output[0].detail"])),
        (("low", "high"), (HIGH, ["input[0].content[0].detail"])),
    ],
)
def test_images_are_looked_at_as_closely_as_any_of_them_demands(details, seen):
    assert looked(*details) == seen


@pytest.mark.parametrize(
    ("settings", "config", "ignored"),
    [
        ({}, None, []),
        ({"size": "auto", "quality": "auto", "partial_images": 2}, None, []),
        ({"size": "1024x1024"}, {"aspectRatio": "1:1"}, []),
        ({"size": "1536x1024"}, {"aspectRatio": "3:2"}, []),
        ({"size": "1792x1024"}, {"aspectRatio": "16:9"}, []),
        ({"size": "1024x1536", "quality": "high"}, {"aspectRatio": "2:3"}, ["tools[0].quality"]),
        ({"size": "large"}, None, ["tools[0].size"]),
    ],
)
def test_a_model_that_draws_needs_no_tool_for_it(settings, config, ignored):
    built = asked(tools=[{"type": "image_generation", **settings}])
    assert "tools" not in built.body
    assert built.generation["responseModalities"] == ["TEXT", "IMAGE"]
    assert (built.generation.get("imageConfig"), built.ignored) == (config, ignored)


def test_other_models_have_no_such_tool():
    built = asked("gemini-3-flash-preview", tools=[{"type": "image_generation"}])
    assert (built.generation, built.ignored) == ({}, ["tools[0]: image_generation"])


def test_what_clients_of_other_gateways_ask_for():
    built = asked(modalities=["image", "text"], image_config={"aspect_ratio": "16:9", "image_size": "2K", "x": 1})
    assert built.generation == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    }
    assert built.ignored == ["image_config.x"]
    assert asked(modalities=["image"]).generation == {"responseModalities": ["IMAGE"]}
    assert asked(modalities=[], image_config={}).generation == {}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"modalities": "image"}, "modalities"),
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
        ({"image_config": "16:9"}, "image_config"),
        ({"image_config": {"image_size": 2}}, "image_config.image_size"),
        ({"tools": [{"type": "image_generation", "size": 5}]}, "tools[0].size"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, param):
    with pytest.raises(BadRequest) as caught:
        asked(**fields)
    assert caught.value.param == param
