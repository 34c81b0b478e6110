"""What the engine needs to know of a provider: how to ask it, and how to read its answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ..config.types import Duration
from ..errors import ExchangeError, UpstreamError
from ..events import Event, PlainAnswer
from ..request import Dialect
from ..sealing import Sealing
from ..sse.parser import SseParser
from ..upstream.client import Timeouts, UpstreamClient, UpstreamRequest

if TYPE_CHECKING:
    from ..exchange import Exchange

Payload = tuple[bytes, bytes]
"""One event of a byte stream: its name (b"" when it has none) and its data."""

ReasoningOutput = Literal["auto", "content", "summary", "drop"]


class TranslateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How `stream-translate` was told to translate; see that stage for what each field means."""

    reasoning: ReasoningOutput = "auto"
    unsupported_tools: Literal["drop", "refuse"] = "drop"
    params: Literal["lenient", "strict"] = "lenient"
    commit_after_s: float = 0.5
    done_marker: bool = True
    on_disconnect: Literal["cancel", "continue"] = "cancel"


class UpstreamConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of every upstream's configuration in the file; `kind` chose the class."""

    requires_env: Annotated[
        str | None,
        msgspec.Meta(
            description="Skip this upstream, and models that lead only to it, if this environment variable is not set."
        ),
    ] = None

    @classmethod
    def implied(cls, given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
        """Returns what follows from the settings that are given, as it would be written in the file.

        What is written there itself counts for more.
        """
        return {}


class Parser(Protocol):
    """Cuts the bytes of a streamed answer into payloads. Sans-IO; one instance an answer."""

    def feed(self, data: bytes) -> list[Payload]:
        """Takes the next bytes, in any pieces; returns the payloads they complete. Hot: once a read."""

    def finish(self) -> list[Payload]:
        """Says that no more bytes will come; returns the payloads that are still held."""


class Decoder(Protocol):
    """Turns one answer of an upstream into neutral events. Sans-IO; one instance an answer."""

    done: bool
    """True once `Finish` or `UpstreamFailed` was returned; the rest of the body is of no interest."""

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads of the stream; returns the events they make. Hot: once a read."""

    def text_of(self, read: bytes) -> str:
        """Returns the text of a read that is known to be one plain chunk of text, "" for any other. Hot: once a read.

        Only asked while no event is half received; such a read is not fed. A decoder may also have `texts_of`, which
        does the same for all such chunks at the beginning of a read (`chat.frame.LearnedFrame.texts`).
        """

    def learn(self, read: bytes, text: str) -> None:
        """Tells of a read that was one whole event and gave that text alone, so that the next like it is known."""

    def finish(self) -> list[Event]:
        """Says that the body has ended as it should; returns the rest, ending in `Finish` or `UpstreamFailed`."""

    def whole(self, body: bytes) -> list[Event]:
        """Takes the body of a non-streamed answer instead; returns all its events."""


class Amended(msgspec.Struct, frozen=True):
    """A request without what the upstream has refused in it; `remember` is called when it has taken that."""

    request: UpstreamRequest
    remember: Callable[[], None]


class Provider(ABC):
    """One upstream of the file, with its connections. One instance a worker.

    `dialects` are the client dialects that this upstream speaks itself, so that bytes can be passed through. `sealing`
    is what seals the thinking that clients carry; the pipeline gives its own.
    """

    kind: ClassVar[str]
    dialects: frozenset[Dialect] = frozenset()
    Config: ClassVar[type[UpstreamConfig]]

    def __init__(self, name: str, config: Any) -> None:
        self.name = name
        self.config = config
        self.sealing = Sealing.fresh()

    client: UpstreamClient
    timeouts: Timeouts

    async def start(self) -> None:  # noqa: B027  # most need nothing
        """Opens what needs a running event loop."""

    async def close(self) -> None:  # noqa: B027
        """Closes all connections."""

    @abstractmethod
    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the upstream request that says what the exchange's request (of any dialect) says.

        Raises BadRequest for what this upstream cannot do; notes dropped hints with `exchange.ignore`.
        """

    @abstractmethod
    def passthrough(self, exchange: Exchange, model: str) -> UpstreamRequest:
        """Returns the request as it is but for the model's name; only for dialects in `dialects`."""

    def forwarded(self, path: str, model: str) -> UpstreamRequest | None:
        """Returns the beginning of a request for another path of OpenAI's API, such as `/embeddings`, that is passed on
        as it came: its URL and the headers of this upstream. None where there is no such API.

        `model` is the upstream's name for the model, "" where none is asked.
        """
        return None

    @abstractmethod
    def decoder(self, exchange: Exchange) -> Decoder:
        """Returns a fresh decoder for an answer to the exchange's request."""

    def plain_answer(self, exchange: Exchange, body: bytes) -> PlainAnswer | None:
        """Returns a non-streamed answer that is one text and nothing else, as the decoder would read it.

        None for every other, and where it is not worth a way of its own.
        """
        return None

    def parser(self, exchange: Exchange) -> Parser:
        """Returns a fresh parser for how this upstream frames its streams; most send server-sent events."""
        return SseParser()

    def speaks(self, dialect: Dialect, model: str) -> bool:
        """Tells whether a client of that dialect is answered by this model over the API that it speaks itself."""
        return dialect in self.dialects

    def relay(self, exchange: Exchange) -> Decoder | None:
        """Returns what passes an answer on to a client of the same dialect, event by event; None to decode it.

        Asked where nobody looks at the events.
        """
        return None

    def sealer(self, exchange: Exchange, model: str) -> Callable[[dict[str, Any], str], str | None] | None:
        """Returns what seals a reasoning item's state and text for `encrypted_content`; None to leave it out."""
        return None

    @abstractmethod
    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Maps an answer with an error status to the tree of errors."""

    def amended(self, exchange: Exchange, error: UpstreamError) -> Amended | None:
        """Returns what to ask at once instead of a request that was refused; None where the refusal stands.

        Only for what Penstock itself has added to the request, and the upstream may not know.
        """
        return None

    async def count_tokens(self, exchange: Exchange, model: str) -> int | None:
        """Returns how many tokens the exchange's request is for a model; None when the upstream cannot say.

        Raises UpstreamError when it could, and has failed.
        """
        return None

    async def models(self) -> list[str]:
        """Returns the names of the models this upstream says it has; empty when it cannot say."""
        return []

    async def probe(self, exchange: Exchange | None, model: str) -> None:
        """Asks for something that costs nothing, to see that the upstream answers and takes us for who we are.

        `exchange` holds a short request for `model`, where the file names a model of this upstream. Raises what an
        exchange would fail with.
        """
        if exchange is None or await self.count_tokens(exchange, model) is None:
            await self.models()


_TimeoutsT = TypeVar("_TimeoutsT", Timeouts, "TimeoutChanges")


class TimeoutChanges(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """Limits of one attempt that are other than those of its upstream; null is no limit."""

    connect: Annotated[Duration | UnsetType | None, msgspec.Meta(description="Name resolution, TCP and TLS.")] = UNSET
    pool: Annotated[Duration | UnsetType | None, msgspec.Meta(description="Waiting for a free connection.")] = UNSET
    first_byte: Annotated[
        Duration | UnsetType | None, msgspec.Meta(description="From the end of the request to the head of the answer.")
    ] = UNSET
    first_token: Annotated[
        Duration | UnsetType | None, msgspec.Meta(description="From the request to the first token of a stream.")
    ] = UNSET
    idle: Annotated[
        Duration | UnsetType | None, msgspec.Meta(description="Between two pieces of the answer, whatever they are.")
    ] = UNSET
    total: Annotated[Duration | UnsetType | None, msgspec.Meta(description="The whole attempt.")] = UNSET

    def over(self, timeouts: _TimeoutsT) -> _TimeoutsT:
        """Returns limits with these in their place."""
        changed = {name: said for name in self.__struct_fields__ if (said := getattr(self, name)) is not UNSET}
        return msgspec.structs.replace(timeouts, **changed)


class Deployment(msgspec.Struct, frozen=True):
    """One upstream with one model name and its weight among its equals; `timeouts` where it has limits of its own."""

    provider: Provider
    model: str
    weight: float = 1.0
    timeouts: TimeoutChanges | None = None

    @property
    def name(self) -> str:
        """`upstream/model`, as written in the file."""
        return f"{self.provider.name}/{self.model}"

    @property
    def limits(self) -> Timeouts:
        """The limits of one attempt."""
        timeouts = self.provider.timeouts
        return timeouts if self.timeouts is None else self.timeouts.over(timeouts)


class Plan(ABC):
    """Which deployments an exchange may use, in which order, and when to give up. Made by `route`.

    Where `hedge_after_s` is set, a stream that has shown nothing by then is asked for a second time, of the deployment
    that `hedge` returns; the first of the two to show something is the answer. Where there is a `mirror`, a copy of the
    exchange is served by the plan that it returns for it, and what it answers is thrown away.
    """

    __slots__ = ()
    hedge_after_s: float | None
    mirror: Callable[[Exchange], Plan] | None

    @abstractmethod
    async def next(self, failed: ExchangeError | None) -> Deployment | None:
        """Returns the deployment of the next attempt, after a pause where one is due; None to give up.

        `failed` is what the last attempt ended in; None at the first call. May raise what nobody could be asked for.
        """

    @abstractmethod
    def settle(self, exchange: Exchange) -> None:
        """Says that no more attempts are made; `exchange` tells how the last one ended. Safe to call again."""

    def hedge(self) -> Deployment | None:
        """Returns the deployment of an attempt beside the one at hand; None where there is none to spare."""
        return None

    def hedge_ended(self, failed: ExchangeError | None) -> None:  # noqa: B027  # for plans that hedge
        """Says that the attempt beside the other one is over: it has failed, or the other one was faster."""

    def hedge_takes_over(self, failed: ExchangeError | None) -> None:  # noqa: B027
        """Says that the attempt beside the other one is the only one now: that has failed, or was slower."""
