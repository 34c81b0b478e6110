"""The neutral events: what every upstream's answer is decoded into, and every client's answer is encoded from.

A decoder yields any number of events and then exactly one `Finish` or `UpstreamFailed`; nothing follows that one.
Text is complete Unicode (never half a surrogate pair) and never empty. Tool calls are told apart by `key`, an integer
the decoder chooses, unique within the response.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, Protocol

import msgspec

from .errors import ExchangeError

FinishReason = Literal["stop", "length", "content_filter"]


class Event(msgspec.Struct, gc=False):
    """Base of all neutral events."""


class TextDelta(Event):
    """A piece of the visible answer. `logprobs` are entries `{token, bytes, logprob, top_logprobs}` of this piece."""

    text: str
    logprobs: list[dict[str, Any]] | None = None


class ReasoningDelta(Event):
    """A piece of the model's thinking; `summary` when the upstream itself calls it a summary."""

    text: str
    summary: bool = False


class ReasoningState(Event):
    """Opaque state that the provider wants back with the next turn (signatures, encrypted reasoning)."""

    state: dict[str, Any]


class Refusal(Event):
    """A piece of the model's refusal to answer."""

    text: str


class Annotation(Event):
    """A citation of the text so far, in the form of the Responses API (`{"type": "url_citation", ...}`).

    `start_index` and `end_index` count characters of all text of the answer.
    """

    annotation: dict[str, Any]


class MessageStart(Event):
    """A message begins, told by upstreams that have several in one answer. `phase` says what it is for, if anything:
    `commentary` or `final_answer`.
    """

    phase: str | None = None


class OutputItem(Event):
    """A whole output item in the form of the Responses API that no other event can tell of: the call of a tool that the
    upstream itself ran, or a compaction. Its `id` is kept; without one it gets one.
    """

    item: dict[str, Any]


class ToolCallStart(Event):
    """A tool call begins. `freeform` when its deltas are the tool's raw input and not JSON arguments."""

    key: int
    call_id: str
    name: str
    freeform: bool = False


class ToolCallDelta(Event):
    """A piece of the arguments of call `key`: JSON text, or raw input for a freeform call."""

    key: int
    arguments: str


class Usage(Event):
    """Tokens used so far; the last one counts. `input` includes all cached tokens, `output` includes reasoning.

    Of the tokens written to a cache, `cache_write_1h` are to stay an hour. Audio is counted apart where the upstream
    does: what was heard and not read from a cache, and what was spoken. `searches` are calls of a search that the
    upstream ran and charges for. `cost` is in dollars, where the upstream itself says what it charges. `cache_missed`
    says that it has told of no cached token, where else it may only have said nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    estimated: bool = False
    cache_write_1h_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    searches: int = 0
    cost: Decimal | None = None
    cache_missed: bool = False


class Finish(Event):
    """The answer ended as the model, a limit or a filter wanted. `service_tier` is the one really used."""

    reason: FinishReason = "stop"
    service_tier: str | None = None


class PlainAnswer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer that is one text and nothing else: what most answers are that come in one piece. No event.

    It says what TextDelta, Usage and Finish would say of it; `text` is not empty.
    """

    text: str
    reason: FinishReason
    usage: Usage | None = None
    service_tier: str | None = None


class UpstreamFailed(Event, gc=True):
    """The answer ended in an error after the upstream had accepted the request.

    The one event that the garbage collector must see: an error knows the frames it came through, which hold the event.
    """

    error: ExchangeError


class PassedItem(Protocol):
    """An output item that is passed on: its place, and what is known of it so far."""

    index: int

    def to_dict(self, status: Literal["in_progress", "completed", "incomplete"]) -> dict[str, Any]:
        """Returns the item as far as it was told, with that status."""

    def chars(self) -> int:
        """Returns how many characters the model wrote for it."""


class Passed(Event):
    """One event of an upstream that speaks the Responses API, to be passed on to a client that does.

    `data` is its JSON as it came, in which only `number`, its sequence number there, may have to be another; without
    it `fields` are all fields but type and number. `text` is the piece of a delta, `final` the item's final form when
    it is done; one without a type is no event, but gives a better one later. Comes only where no filter looks.
    """

    type: str
    item: PassedItem
    data: bytes | None = None
    number: int | None = None
    fields: dict[str, Any] | None = None
    text: str = ""
    final: msgspec.Raw | None = None


class PassedResponse(Event):
    """What the Response object of such an upstream says, field by field: as it was created, then as it ended."""

    fields: dict[str, msgspec.Raw]
    ended: bool = False


OUTPUT_EVENTS = (TextDelta, ReasoningDelta, Refusal, ToolCallStart, Annotation, OutputItem, Passed)
"""Events that show the client a part of the answer: after the first of them nothing is retried."""
