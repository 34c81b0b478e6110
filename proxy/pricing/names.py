"""Under which names of the table a vendor's model may stand: as it is asked for, undated, without a region.

The order is that of the table's own documentation: the first name that it has gives the price. Google charges for
Gemini the same at both its vendors, so that the name at the other one comes last; Gemma is free at one of them alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..patterns import stands_for

_DATE = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|-\d{8}|@\d{8}|@default)\Z")
_PUBLISHED = re.compile(r"(?:.*/)?publishers/([^/]+)/models/([^/]+)\Z")
_PUBLISHERS_LEFT_OUT = ("anthropic", "google", "mistralai")
_REGION = re.compile(r"(global|us-gov|apac|[a-z]{2})\.(?=[a-z][a-z0-9]*\.)")
_GEMINI = "gemini-"
_GOOGLES = {"gemini": "vertex_ai", "vertex_ai": "gemini"}
_WRITTEN: Mapping[str, str] = {
    "azure-ai": "azure_ai",
    "azure-openai": "azure",
    "fireworks": "fireworks_ai",
    "together": "together_ai",
    "vertex": "vertex_ai",
}
"""Vendors as the table writes them, by the names that upstreams have."""
_VERSION = re.compile(r"-v\d+(?::\d+)?\Z")


def names(vendor: str, model: str) -> Iterator[str]:
    """Yields names as the table writes them, `vendor/model`, the most exact first."""
    vendor = _WRITTEN.get(vendor, vendor)
    models = tuple(dict.fromkeys(_models(vendor, model)))
    for name in models:
        yield f"{vendor}/{name}"
    if vendor in _GOOGLES and models[-1].startswith(_GEMINI):
        for name in models:
            yield f"{_GOOGLES[vendor]}/{name}"


def sold_as(pattern: str, name: str) -> str | None:
    """Returns the name under which a pattern of `vendor/model` stands for a name of the table; None if it does not.

    It is another where the vendor of the pattern charges what the one of the name does.
    """
    vendor, slash, rest = pattern.partition("/")
    if slash:
        vendor = _WRITTEN.get(vendor, vendor)
        pattern = f"{vendor}/{rest}"
        own, _, model = name.partition("/")
        if model.startswith(_GEMINI) and _GOOGLES.get(own) == vendor:
            name = f"{vendor}/{model}"
    return name if stands_for(pattern, name) else None


def _models(vendor: str, model: str) -> Iterator[str]:
    if vendor == "bedrock":
        yield from _of_bedrock(model)
        return
    if vendor == "vertex_ai":
        model = _of_vertex(model)
    elif vendor == "gemini":
        model = model.removeprefix("models/")
    yield from _undated(model)


def _undated(model: str) -> Iterator[str]:
    yield model
    yield _DATE.sub("", model)


def _of_vertex(model: str) -> str:
    """Returns a model without the path of its publisher, which the table leaves out for some."""
    if match := _PUBLISHED.fullmatch(model):
        model = f"{match[1]}/{match[2]}"
    publisher, slash, name = model.partition("/")
    return name if slash and publisher in _PUBLISHERS_LEFT_OUT else model


def _of_bedrock(model: str) -> Iterator[str]:
    """Yields the names of a model id, an inference profile, or the ARN of either.

    A profile of another region than the US is charged like the US one, where the table has that, and all others like
    the model without a region. A global profile is charged like that at once.
    """
    if model.startswith("arn:"):
        model = model.rpartition("/")[2]
    for name in _regional(model):
        yield from _undated(name)
    for name in _regional(_VERSION.sub("", model)):
        yield from _undated(name)


def _regional(model: str) -> Iterator[str]:
    yield model
    if match := _REGION.match(model):
        rest = model[match.end() :]
        if match[1] != "global":
            yield f"us.{rest}"
        yield rest
