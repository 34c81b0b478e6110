"""How upstreams that speak the Responses API differ."""

from __future__ import annotations

from typing import Literal

import msgspec

Summary = Literal["auto", "concise", "detailed"]


class ResponsesProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream takes, and what it is to do beside answering.

    `keeps`: let it keep responses and items itself. `ask_encrypted`: ask for reasoning in its encrypted form, so that
    it survives turns of which the upstream keeps nothing. `plain_reasoning`: it takes reasoning back that is not
    encrypted. `pads`: it pads deltas unless told not to. `least_tokens`: the lowest limit of an answer that it takes.
    `summary`: the summary of reasoning to ask for where a chat client cannot. `images`: it takes back images that a
    chat client was given.
    """

    keeps: bool = False
    ask_encrypted: bool = False
    plain_reasoning: bool = True
    pads: bool = False
    least_tokens: int = 1
    summary: Summary | None = None
    images: bool = False
