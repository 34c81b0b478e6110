"""How the models differ that speak generateContent: by generation and size, as their names say them."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

Thinking = Literal["none", "budget", "level"]

_NAME = re.compile(r"gemini-(?:(pro|flash|flash-lite)-)?(\d+)(?:\.(\d+))?(?:-([a-z-]+))?")
_THOUGHTLESS = re.compile(r"-(?:image|tts|live|embedding|native-audio)\b|robotics")
_NEWEST = (99, 0)


class GeminiProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes.

    `thinking`: how much to think is said as a level, as a budget of tokens, or not at all. `minimal`: it has the level
    of that name. `least_budget`: the budget that comes closest to none; `most_budget` that of the highest effort.
    `system`: it takes instructions. `signatures`: it refuses calls of its own whose signature is missing.
    `media_outputs`: what a tool gave back may hold images. `mixes`: hosted tools, functions and JSON may be asked for
    together. `validated`: it can be held to the schemas of functions. `penalties`: it takes them. `draws`: it makes
    images.
    """

    thinking: Thinking = "level"
    minimal: bool = False
    least_budget: int = 0
    most_budget: int = 24_576
    system: bool = True
    signatures: bool = True
    media_outputs: bool = True
    mixes: bool = True
    validated: bool = True
    penalties: bool = False
    draws: bool = False


def profile_of(model: str) -> GeminiProfile:
    """Returns what a model takes; names that are not known are taken for models to come."""
    name = model.rpartition("/")[2].lower()
    if name.startswith("gemma"):
        return GeminiProfile(
            thinking="none", system=False, signatures=False, media_outputs=False, mixes=False, validated=False
        )
    found = _NAME.match(name)
    version = _NEWEST if found is None else (int(found[2]), int(found[3] or 0))
    size = name if found is None else (found[1] or found[4] or "")
    newest = version >= (3, 0)
    thinks = version >= (2, 5) and not _THOUGHTLESS.search(name)
    pro = "pro" in size
    return GeminiProfile(
        thinking=("level" if newest else "budget") if thinks else "none",
        minimal=newest and "flash" in size and version < (3, 7),
        least_budget=128 if pro else 0,
        most_budget=32_768 if pro else 24_576,
        signatures=newest,
        media_outputs=newest,
        mixes=newest,
        validated=version >= (2, 5),
        penalties=version < (2, 5),
        draws="-image" in name,
    )
