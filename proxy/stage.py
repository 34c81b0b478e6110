"""What a stage is, and what it leaves behind to see a response.

Requests run down the list of stages, responses climb back up. A stage looks at a request and passes it on (None),
asks to see the response (a ResponseFilter), or answers at once (a Reply). Stages below `route` run once an attempt,
since they may depend on the deployment that was chosen; all others run once an exchange.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import msgspec

from .events import Event, PlainAnswer
from .reply import Reply

if TYPE_CHECKING:
    from .errors import UpstreamError
    from .exchange import Exchange
    from .models import ModelTable
    from .pricing.book import PriceBook
    from .providers.provider import Provider, TranslateOptions

Side = Literal["above", "below", "any"]


class StageConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of every stage's configuration; the field descriptions of its children are their documentation."""


class Head(msgspec.Struct):
    """Status and headers of the answer to the client, before they are sent; a filter may change `headers`."""

    status: int
    headers: dict[str, str]


class RawFilter(Protocol):
    """Takes the bytes of an answer that is passed on as it is, and gives those that the client gets."""

    @property
    def done(self) -> bool:
        """Whether nothing more will go out, whatever comes."""

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; returns what may go out for them. Raises UpstreamError for what cannot be read."""

    def finish(self) -> bytes | Awaitable[bytes]:
        """Says that the answer has ended; returns the rest, or what waits for it."""


class ResponseFilter:
    """What a stage does with one response. Override only what you need; the rest costs nothing.

    A filter that holds something back until a time, or until somebody has answered, sets `wants_turn` and calls
    `exchange.nudge`: its `on_events` is called with no events, and returns what may go out now. Where that is awaited,
    the filter may also keep the end of the answer for such a turn, as long as it sets `ends_later`. Where
    `exchange.nudge` is None, the answer is not streamed, and what is held back is to be returned in front of the end.
    """

    wants_turn: bool = False
    ends_later: bool = False
    ends_at_once: bool = False
    """Promises that `on_end` waits for nothing, so that it needs no task out of reach of a cancelled client."""
    lingers: bool = False
    """Says, at the end, that `on_end` will wait for others: the answer does not wait for that."""

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        """Sees status and headers; nothing has reached the client yet. Not called for a Reply from above."""

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event] | Awaitable[list[Event]]:
        """Takes the events that one upstream read produced; returns them changed, fewer, more, or held back.

        Called again and again until a batch has ended with `Finish` or `UpstreamFailed`; what was held back must be
        released (or withheld for good) in front of that event. A filter ends the answer itself by returning a list
        that ends with `Finish`. May be declared `async def`; then, and only then, the exchange awaits it.
        """
        return events

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Takes one more piece of the text, and says whether it may go out as it is, at once.

        Only for filters that look at events, and all of those of an exchange must have it: then a stream's plain pieces
        of text, one a read, come this way, which saves making events of them. Where it says False it must have done
        nothing: the piece comes to `on_events`. Not called before that has been. Hot: once a read.
        """
        return False

    def on_plain(self, exchange: Exchange, answer: PlainAnswer) -> bool:
        """Looks at a whole answer that is one text and nothing else, and says whether it may go out as it is.

        Only for filters that look at events. It is to do nothing: where one says False, the answer comes to `on_events`
        of them all. Hot: once an answer that is not streamed.
        """
        return False

    def on_raw(self, exchange: Exchange, head: Head) -> RawFilter | None:
        """Returns what an answer is to go through that is passed on as it is; `head` is that of the answer."""
        return None

    async def on_error(self, exchange: Exchange, error: UpstreamError) -> None:
        """Sees what the last attempt has failed with, before the client is told; may change what it says.

        What fails while an answer is on its way comes to `on_events` as `UpstreamFailed`, and then perhaps here, too.
        After 30 seconds it is cancelled, and the client is told of an internal error, as when it fails itself.
        """

    async def on_end(self, exchange: Exchange) -> None:
        """Runs exactly once, however the exchange ended; `outcome`, `usage` and `timing` are final.

        One that is not done within 30 seconds is cancelled.
        """


def want_turn(one: ResponseFilter, exchange: Exchange) -> None:
    """Asks for a turn of a filter, where the answer is streamed."""
    if exchange.nudge is not None:
        one.wants_turn = True
        exchange.nudge()


class Stage:
    """One step of the pipeline. One instance a worker, shared by all exchanges: it keeps no state of a request.

    Order rules, checked when the file is loaded: `after` names stages that must stand above this one if both are
    there, `requires` stages that must be there, `side` on which side of `stream-translate` it may stand, `once`
    that the file may name it only once. `advice` warns of an order that is legal but surprising: for each stage that
    this one had better not stand below, the consequence in half a sentence ("then it runs once an attempt").
    """

    name: ClassVar[str]
    after: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[tuple[str, ...]] = ()
    side: ClassVar[Side] = "any"
    once: ClassVar[bool] = True
    advice: ClassVar[Mapping[str, str]] = {}
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ()
    """What this stage finds out for the whole exchange: who is asking (`key`), where the answer can come from (`plan`).

    Every pipeline needs a stage that sets `plan`; one that listens beyond the loopback needs one that sets `key`.
    """
    observer: ClassVar[bool] = False
    """An observer sees the end of every exchange, refused ones too, wherever it stands."""

    screens: ClassVar[bool] = False
    """Whether this stage looks at texts, and refuses by raising: it also gets what is put into conversations, as the
    input of a request to nobody, of which there is no answer to see."""

    Config: ClassVar[type[StageConfig]] = StageConfig
    config: Any
    directory: Path = Path()
    """Where relative paths in the config begin: the directory of the file."""
    upstreams: Mapping[str, Provider] = {}
    """The upstreams of the file by their names, for stages that ask them for something of their own."""
    table: ModelTable | None = None
    """The models of the file, likewise."""
    prices: PriceBook | None = None
    """What models cost by the file."""
    translate: TranslateOptions | None = None
    """How answers are to be translated, for the one stage that says so: the engine knows it before any request."""

    def __init__(self, config: Any = None) -> None:
        self.config = config if config is not None else self.Config()

    @classmethod
    def models_of(cls, config: Any) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """Returns the models that its settings name, each with the keys and indexes that lead to it.

        A name that the file does not serve is a mistake in the file; wildcards are not to be returned.
        """
        return ()

    @classmethod
    def hints_of(cls, config: Any) -> Iterable[tuple[tuple[str | int, ...], str, str]]:
        """Returns what its settings had better not be: the keys and indexes that lead there, what it is, what helps."""
        return ()

    async def start(self) -> None:
        """Runs once a worker, before traffic."""

    async def close(self) -> None:
        """Runs once, after the last exchange that used this stage."""

    async def on_request(self, exchange: Exchange) -> ResponseFilter | Reply | None:
        """Looks at the request: changes it, answers it, or asks to see the response.

        Raising an ExchangeError answers with that error, like a Reply.
        """
        return None
