"""Screens a request: every text that the model would read, by what is decided here and by whoever is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import BadRequest
from ..matching import ArgumentsScreen, Matcher
from .check import Asked, Asking
from .consult import consult
from .local import Act
from .marks import note_act

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..request import InputText

SEARCHED = "input_searched"
"""The mark of an exchange whose request was searched."""


class RequestScreen:
    """What requests go through. `masking` also masks what blocks, so that what was refused is logged without it."""

    def __init__(self, masking: Matcher, acts: Sequence[Act], askings: Sequence[Asking]) -> None:
        self._masking = masking
        self._acts = acts
        self._askings = askings

    def __bool__(self) -> bool:
        return bool(self._masking or self._askings)

    async def screen(self, exchange: Exchange) -> None:
        """Masks what is to be masked; raises BadRequest where something blocks."""
        exchange.marks[SEARCHED] = True
        if self._masking:
            self._search(exchange)
        if self._askings:
            await self._consult(exchange)

    def _search(self, exchange: Exchange) -> None:
        blocking: str | None = None
        for place in exchange.request.texts():
            text, masked, flagged = self._searched(place)
            for number in sorted(masked | flagged):
                act = self._acts[number]
                note_act(exchange, act, "input")
                if act.does == "blocked":
                    blocking = blocking or act.rule
            if masked:
                place.replace(text)
        if blocking is not None:
            raise refused(exchange, blocking)

    def _searched(self, place: InputText) -> tuple[str, set[int], set[int]]:
        """Returns a text with its masks, and what was found; what a tool is said to have been told may be JSON."""
        if place.path.endswith(".arguments"):
            call = ArgumentsScreen(self._masking)
            return call.screen(place.text), call.found, call.flagged
        text, screen = self._masking.whole(place.text)
        return text, screen.masked, screen.flagged

    async def _consult(self, exchange: Exchange) -> None:
        places = [place for place in exchange.request.texts() if place.text]
        if not places:
            return
        texts = tuple(place.text for place in places)
        consulted = await consult(self._askings, Asked(exchange, "input", texts))
        for place, before, after in zip(places, texts, consulted.texts, strict=True):
            if after != before:
                place.replace(_arguments(after) if place.path.endswith(".arguments") else after)
        if consulted.blocked is not None:
            raise refused(exchange, consulted.blocked)
        if consulted.texts != texts and self._masking:  # their masks are texts like any other
            self._search(exchange)


def _arguments(masked: str) -> str:
    """Returns what somebody has made of a call's arguments as JSON again."""
    try:
        msgspec.json.decode(masked)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return msgspec.json.encode({"masked": masked}).decode()
    return masked


def refused(exchange: Exchange, rule: str) -> BadRequest:
    """Returns the error of a request that a rule has refused; it does not say what was found."""
    return BadRequest(
        f'The request was refused by the content rule "{rule}".',
        type="content_filter_error",
        code="content_filter",
        param="messages" if exchange.request.dialect == "chat" else "input",
    )
