"""Screens a request: every text that the model would read, by what is decided here and by whoever is asked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import BadRequest
from ..marks import SEARCHED
from ..matching import ArgumentsScreen, Matcher
from .check import Asked, Asking
from .consult import consult
from .local import Act
from .marks import note_act

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..request import InputText

_PASSED_S = 600.0
_MOST_PASSED = 1000
_ARGUMENTS = ".arguments"
_NAMES = (".name", ".namespace")
_NAMED = ("functions", "input[", "messages[", "response_format", "text.", "tool_choice", "tools")


class RequestScreen:
    """What requests go through. `masking` also masks what blocks, so that what was refused is logged without it."""

    def __init__(self, masking: Matcher, acts: Sequence[Act], askings: Sequence[Asking]) -> None:
        self._masking = masking if masking else None
        self._acts = acts
        self._askings = askings
        self._passed: dict[bytes, float] = {}  # texts beside the input that were let through, and until when that holds
        self.looks = bool(masking or askings)
        """Whether it looks for anything."""
        self.asks = bool(askings)
        """Whether somebody else is asked."""

    def search(self, exchange: Exchange) -> None:
        """Masks what is found here; raises BadRequest where something blocks. Hot: once a request.

        All texts are searched together at first: in nearly all requests nothing is found.
        """
        exchange.marks[SEARCHED] = True
        if self._masking is None:
            return
        places = _places(exchange)
        texts = []
        hidden = False
        for place in places:
            texts.append(text := place.text)
            if "\\" in text and (place.path.endswith(_ARGUMENTS) or _may_be_json(text)):
                hidden = True  # it may say what only shows when it is read as JSON
        if not hidden and self._masking.are_clean(texts):
            return
        blocking: str | None = None
        changes = []
        for place in places:
            text, masked, flagged = self._searched(place, self._masking)
            for number in sorted(masked | flagged):
                act = self._acts[number]
                note_act(exchange, act, "input")
                if act.does == "blocked" or (number in masked and _is_fixed(place)):
                    blocking = blocking or act.rule
            if masked:
                changes.append((place, text))
        _replace(changes)
        if blocking is not None:
            raise refused(exchange, blocking)

    def _searched(self, place: InputText, masking: Matcher) -> tuple[str, set[int], set[int]]:
        """Returns a text with its masks, and what was found; what a tool is said to have been told may be JSON."""
        if place.path.endswith(_ARGUMENTS):
            call = ArgumentsScreen(masking)
            return call.screen(place.text), call.found, call.flagged
        text, screen = masking.whole(place.text)
        if "\\" in text and not screen.masked and _may_be_json(text):  # some upstreams are sent what it means
            read = ArgumentsScreen(masking)
            return read.screen(text), read.found, screen.flagged | read.flagged
        return text, screen.masked, screen.flagged

    async def consult(self, exchange: Exchange) -> None:
        """Does the same with what others find who are asked; about tools and the like only when they are new.

        They are many texts, and the same ones in each request of a client.
        """
        places = [place for place in exchange.request.texts() if place.text]
        beside = [place for place in exchange.request.more_texts() if place.text]
        known = _known_by(exchange, beside) if beside else None
        if known is None or not self._remembers(known):
            places += beside
        if not places:
            return
        texts = tuple(place.text for place in places)
        consulted = await consult(self._askings, Asked(exchange, "input", texts))
        if known is not None and consulted.clean:
            self._remember(known)
        changed = [(place, after) for place, after in zip(places, consulted.texts, strict=True) if after != place.text]
        _replace([(place, _arguments(after) if place.path.endswith(_ARGUMENTS) else after) for place, after in changed])
        if consulted.blocked is not None:
            raise refused(exchange, consulted.blocked)
        if any(_is_fixed(place) for place, _ in changed):
            raise refused(exchange, consulted.masked_by or "")
        if changed:  # their masks are texts like any other
            self.search(exchange)

    def _remembers(self, known: bytes) -> bool:
        return self._passed.get(known, 0.0) > time.monotonic()

    def _remember(self, known: bytes) -> None:
        """Keeps for a while that texts have passed, so that the next request does not have to wait for it again."""
        if not self._remembers(known):
            if len(self._passed) >= _MOST_PASSED:
                self._passed.clear()
            self._passed[known] = time.monotonic() + _PASSED_S


def _known_by(exchange: Exchange, places: Sequence[InputText]) -> bytes:
    """Returns what tells texts, and for whom they are, from all others."""
    key = "" if exchange.key is None else exchange.key.id
    said = msgspec.json.encode([key, exchange.model, *(place.text for place in places)])
    return hashlib.blake2b(said, digest_size=16).digest()


def _places(exchange: Exchange) -> list[InputText]:
    """Returns all texts of a request: what the model would read, and what is said beside it."""
    return [*exchange.request.texts(), *exchange.request.more_texts()]


def _replace(changes: Sequence[tuple[InputText, str]]) -> None:
    kinds: dict[type[InputText], list[tuple[InputText, str]]] = {}
    for place, text in changes:
        kinds.setdefault(type(place), []).append((place, text))
    for kind, some in kinds.items():
        kind.replace_all(some)


def _may_be_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _is_fixed(place: InputText) -> bool:
    """Tells whether a text is a name by which things are known: with a mask in it, it would name nothing."""
    return place.path.endswith(_NAMES) and place.path.startswith(_NAMED)


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
