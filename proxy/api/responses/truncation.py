"""Shortens an input that is longer than the model can take: `truncation: auto`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import ExchangeError
from ...request import ModelRequest
from ...tokens import item_tokens, request_tokens
from .request import ResponsesRequest
from .steps import Step, steps_of

MOST_TRIES = 5
"""How many times one request is shortened before its error is the client's."""

_PART = 4  # without figures in the error, a quarter of what may go goes
_MARGIN = 0.95  # estimates are wrong by some, and the answer needs room
_NUMBER = re.compile(r"\d[\d,]*")
_LIMIT = re.compile(
    r"(?:context (?:length|window|size)|maximum number of tokens|limit|input length|<=|>)\D{0,30}(\d[\d,]*)",
    re.IGNORECASE,
)


class Shortened(NamedTuple):
    """A request with less history, and how many items were left out."""

    request: ResponsesRequest
    dropped: int


class Truncation:
    """The shortening of one request, error by error; `dropped` items are gone so far."""

    __slots__ = ("_tries", "dropped")

    def __init__(self) -> None:
        self._tries = 0
        self.dropped = 0

    def after(self, error: ExchangeError, request: ModelRequest) -> ResponsesRequest | None:
        """Returns the request to try after an error; None when the error stands."""
        if (
            error.code != "context_length_exceeded"
            or not isinstance(request, ResponsesRequest)
            or request.value("truncation") != "auto"
            or self._tries == MOST_TRIES
        ):
            return None
        shorter = truncated(request, error.message)
        if shorter is None:
            return None
        self._tries += 1
        self.dropped += shorter.dropped
        return shorter.request


def truncated(request: ResponsesRequest, said: str = "") -> Shortened | None:
    """Returns the request without its oldest turns; None when nothing is left that may be dropped.

    `said` is the upstream's error: where it says how much was asked and what the limit is, that much is dropped, else
    a quarter. Instructions, the last message of the user and the last step of the model stay, and calls go together
    with their outputs.
    """
    items = request.items
    steps = steps_of(items)
    weights = [sum(item_tokens(items[at]) for at in step.at) for step in steps]
    order = _droppable(steps)
    if not order:
        return None
    need = _excess(said, request_tokens(request)) or sum(weights[index] for index in order) // _PART
    gone: set[int] = set()
    for place, index in enumerate(order):
        gone.update(steps[index].at)
        need -= weights[index]
        # an answer does not stay behind without its question
        if need <= 0 and (place + 1 == len(order) or not _answers(steps, order[place + 1])):
            break
    shorter = request.copy()
    shorter.put_items([raw for at, raw in enumerate(request.raw_items) if at not in gone])
    return Shortened(shorter, len(gone))


def _droppable(steps: Sequence[Step]) -> list[int]:
    """Returns the indexes of steps that may be left out, in the order in which they go."""
    last_user = max((index for index, step in enumerate(steps) if step.kind == "user"), default=-1)
    last_said = max((index for index, step in enumerate(steps) if step.kind != "fixed"), default=-1)
    return [index for index, step in enumerate(steps) if step.kind != "fixed" and index not in (last_user, last_said)]


def _answers(steps: Sequence[Step], index: int) -> bool:
    """Tells whether a step is the model's answer to a message of the user before the last one."""
    return steps[index].kind == "model" and any(step.kind == "user" for step in steps[index + 1 :])


def _excess(said: str, total: int) -> int:
    """Returns how many of the tokens, as they are estimated, are too many by the figures of an error; 0 without any."""
    found = _LIMIT.search(said)
    if found is None:
        return 0
    limit = _figure(found[1])
    asked = max((number for number in map(_figure, _NUMBER.findall(said)) if limit < number <= 100 * limit), default=0)
    return int(total * (1 - _MARGIN * limit / asked)) if asked else 0


def _figure(text: str) -> int:
    return int(text.replace(",", ""))
