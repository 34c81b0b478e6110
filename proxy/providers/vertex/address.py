"""Where models stand on Vertex AI: hosts by location, paths by publisher (wire reference, section 7.1).

Names of models may come from clients, so that each is looked at before it gets into an address.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from ...errors import BadRequest

UNKNOWN_PROJECT = "~project~"
"""What stands in a path for a project that only the credentials know."""

LOCATION = re.compile(r"[a-z][a-z0-9-]{0,62}")
PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{0,62}")

Publisher = Literal["google", "anthropic"]

_MODEL = re.compile(
    r"(?:publishers/)?(?:(google|anthropic)/)?(?:models/)?([A-Za-z0-9][A-Za-z0-9._-]*(?:@[A-Za-z0-9._-]+)?)"
)
_OPEN = re.compile(
    r"(?:publishers/)?([a-z][a-z0-9-]{0,62})/(?:models/)?([A-Za-z0-9][A-Za-z0-9._-]*(?:@[A-Za-z0-9._-]+)?)"
)
_NO_PUBLISHERS = ("anthropic", "endpoints", "google", "models", "publishers")
_BARE = {
    "mistralai": re.compile(r"(?:mistral|ministral|magistral|codestral|devstral|pixtral)-"),
    "ai21": re.compile(r"jamba-"),
}
"""Publishers whose models are known by their own names too."""
_ENDPOINT = re.compile(r"endpoints/\d{1,30}")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A project in a location; without a project models are asked by key alone (express mode)."""

    base: str
    version: str
    location: str
    project: str | None

    @property
    def parent(self) -> str:
        """What stands in front of every publisher."""
        if self.project is None:
            return f"{self.base}/{self.version}"
        return f"{self.base}/{self.version}/projects/{self.project}/locations/{self.location}"

    def endpoint(self, model: str, method: str) -> str:
        """Returns the URL of a method of a model; raises BadRequest for a name that can be none."""
        if _ENDPOINT.fullmatch(model):
            return f"{self.parent}/{model}:{method}"
        publisher, name = parse_model(model)
        return f"{self.parent}/publishers/{publisher}/models/{name}:{method}"


def parse_model(model: str) -> tuple[Publisher, str]:
    """Returns publisher and name of a model; raises BadRequest for what is none of those that are served."""
    found = _MODEL.fullmatch(model)
    if found is None:
        message = f"The model '{model}' does not exist: that is no name of a model."
        raise BadRequest(message, param="model", code="model_not_found")
    publisher, name = found.groups()
    if publisher == "anthropic" or (publisher is None and name.startswith("claude")):
        return "anthropic", name
    return "google", name


def parse_open(model: str) -> tuple[str, str] | None:
    """Returns publisher and name of a model that speaks chat completions; None for one of Google's or Anthropic's."""
    found = _OPEN.fullmatch(model)
    if found is not None:
        return None if found[1] in _NO_PUBLISHERS else (found[1], found[2])
    if not _MODEL.fullmatch(model):
        return None
    return next(((publisher, model) for publisher, begin in _BARE.items() if begin.match(model)), None)


def is_claude(model: str) -> bool:
    """Tells whether a name is one of Anthropic's models."""
    return not _ENDPOINT.fullmatch(model) and parse_model(model)[0] == "anthropic"


def host_of(location: str) -> str:
    """Returns where a location is asked: regions, `global`, and the multi-regions `us` and `eu` differ."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"
