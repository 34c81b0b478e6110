"""What a model of the Messages API takes, told from its name.

Names differ by where a model is served (`claude-sonnet-4-5-20250929`, `anthropic.claude-sonnet-4-5-20250929-v1:0`,
`claude-sonnet-4-5@20250929`); family and version are in all of them. A Claude that is not known behaves as the newest
do; a model of another maker, on a server that has taken over the API, as the first ones did.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

Thinking = Literal["none", "budget", "adaptive"]

_NAME = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)(?:-(?P<old>[a-z]+))?"
)
_LATEST = (99, 0)
_ALWAYS_THINK = ("fable", "mythos")
_FORCED_LIMIT = 32_000


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes.

    `thinking`: not at all, with a budget of tokens, or as much as it finds right. `always_thinks`: it cannot be told
    not to. `interleaves`: with a beta it thinks between calls too. `efforts` are those it knows beside low, medium and
    high. `sampling`: temperature and top_p. `forced_tools`: it can be made to call a tool. `prefill`: it goes on from a
    last message of its own. `system_anywhere`: instructions may stand between messages. `schemas`: it can be held to
    a JSON schema. `max_output` is the most tokens of an answer, None where nobody knows.
    """

    thinking: Thinking = "adaptive"
    always_thinks: bool = False
    interleaves: bool = False
    efforts: tuple[str, ...] = ()
    sampling: bool = True
    forced_tools: bool = True
    prefill: bool = True
    system_anywhere: bool = False
    schemas: bool = True
    max_output: int | None = None

    @property
    def usual_output(self) -> int:
        """The limit of an answer where the client sets none: the model's, but not so high that it costs a fortune."""
        return 4096 if self.max_output is None else min(self.max_output, _FORCED_LIMIT)


FOREIGN = Traits(thinking="budget", schemas=False)
"""Models of other makers."""


def traits_of(model: str) -> Traits:
    """Returns what a model takes."""
    name = model.lower()
    if "claude" not in name:
        return FOREIGN
    match = _NAME.search(name)
    if match is None:
        return _claude("", _LATEST)
    return _claude(match["family"] or match["old"] or "", (int(match["major"]), int(match["minor"] or 0)))


def _claude(family: str, version: tuple[int, int]) -> Traits:
    if version < (4, 6):
        return _before_adaptive(family, version)
    always = family in _ALWAYS_THINK or (version >= (5, 5) and family != "haiku")
    return Traits(
        thinking="adaptive",
        always_thinks=always,
        efforts=("max",) if version == (4, 6) else ("xhigh", "max"),
        sampling=version < (4, 7),
        forced_tools=not always or version == (5, 0),
        prefill=False,
        system_anywhere=version >= (4, 8),
        max_output=128_000,
    )


def _before_adaptive(family: str, version: tuple[int, int]) -> Traits:
    if version < (3, 7):
        return Traits(thinking="none", schemas=False, max_output=8192 if version == (3, 5) else 4096)
    return Traits(
        thinking="budget",
        interleaves=version >= (4, 0),
        schemas=version >= (4, 5),
        max_output=32_000 if family == "opus" and version < (4, 5) else 64_000,
    )
