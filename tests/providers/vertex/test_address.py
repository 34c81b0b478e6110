import pytest

from proxy.errors import BadRequest
from proxy.providers.vertex.address import LOCATION, PROJECT, Place, host_of, is_claude, parse_model, parse_open

PLACE = Place(base="https://x", version="v1", location="europe-west4", project="p-1")
PARENT = "https://x/v1/projects/p-1/locations/europe-west4"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_hosts(location, host):
    assert host_of(location) == host


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
        ("google/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
        ("publishers/google/models/gemini-2.5-pro", "publishers/google/models/gemini-2.5-pro"),
        ("claude-sonnet-4-5@20250929", "publishers/anthropic/models/claude-sonnet-4-5@20250929"),
        ("anthropic/claude-opus-4", "publishers/anthropic/models/claude-opus-4"),
        ("endpoints/1234567890", "endpoints/1234567890"),
    ],
)
def test_paths(model, path):
    assert PLACE.endpoint(model, "generateContent") == f"{PARENT}/{path}:generateContent"


def test_in_express_mode_there_is_no_project():
    place = Place(base="https://x", version="v1", location="global", project=None)
    assert place.endpoint("gemini-2.5-flash", "m") == "https://x/v1/publishers/google/models/gemini-2.5-flash:m"


@pytest.mark.parametrize(
    "model",
    ["", "meta/llama-4", "../x", "a/../b", "gemini?x", "gemini#x", "gemini:x", "a b", "é", "endpoints/x", "a@", "a\n"],
)  # fmt: skip
def test_names_that_would_lead_elsewhere_are_no_models(model):
    with pytest.raises(BadRequest) as caught:
        PLACE.endpoint(model, "m")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("meta/llama-4-maverick-17b-128e-instruct-maas", ("meta", "llama-4-maverick-17b-128e-instruct-maas")),
        ("publishers/deepseek-ai/models/deepseek-v3.2-maas", ("deepseek-ai", "deepseek-v3.2-maas")),
        ("openai/gpt-oss-120b-maas", ("openai", "gpt-oss-120b-maas")),
        ("mistralai/mistral-medium-3", ("mistralai", "mistral-medium-3")),
        ("mistral-small-2503@001", ("mistralai", "mistral-small-2503@001")),
        ("codestral-2", ("mistralai", "codestral-2")),
        ("jamba-1.5-large", ("ai21", "jamba-1.5-large")),
        *((name, None) for name in ("gemini-2.5-flash", "google/gemini-2.5-flash", "models/gemini-2.5-flash")),
        *((name, None) for name in ("claude-opus-4", "anthropic/claude-opus-4", "endpoints/42", "mistral-?", "")),
        *((name, None) for name in ("meta/../x", "meta/x?y", "meta/llama/x", "../x", "meta/", "META/x", "meta/x\n")),
    ],
)
def test_open_models(model, named):
    assert parse_open(model) == named


def test_whose_model_it_is():
    assert parse_model("publishers/anthropic/models/claude-opus-4") == ("anthropic", "claude-opus-4")
    assert is_claude("claude-3-5-haiku@20241022")
    assert not is_claude("gemini-2.5-flash")
    assert not is_claude("endpoints/42")


@pytest.mark.parametrize(("pattern", "good", "bad"), [
    (LOCATION, ("global", "us-east5", "eu"), ("", "EU", "us.evil.example", "1a", "a/b", "a" * 64)),
    (PROJECT, ("my-project-1", "example.com:my-project", "123456"), ("", "a/b", "A", "..", "~project~", "a b")),
])  # fmt: skip
def test_names_of_places(pattern, good, bad):
    assert all(pattern.fullmatch(name) for name in good)
    assert not any(pattern.fullmatch(name) for name in bad)
