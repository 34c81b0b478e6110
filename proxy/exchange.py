"""One client request and everything that came of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from .errors import ExchangeError
from .events import Usage
from .models import NO_MODELS, ModelTable
from .request import ModelRequest

if TYPE_CHECKING:
    from .limiting.own import OwnLimits
    from .metrics.pulse import Pulse
    from .providers.provider import Deployment, Plan, TranslateOptions
    from .stores.conversations import Claim
    from .stores.turn_memory import TurnMemory
    from .upstream.client import UpstreamRequest

Gate = Callable[["Exchange", "Sequence[Deployment]"], Awaitable[None] | None]
"""Asked before an attempt: with the deployment that is to be asked, and the one that is being asked beside it, if any.

It returns what is to be awaited, or None where the attempt may be made at once. An ExchangeError, raised here or there,
keeps the attempt from being made; the plan may have another one.
"""

Outcome = Literal["completed", "incomplete", "failed", "cancelled", "rejected"]
"""How an exchange ended. `rejected`: refused before any upstream was asked (by a stage, or as a bad request)."""


class Key(msgspec.Struct, frozen=True):
    """Who is asking, as the auth stage found out. `id` is safe to show and to log; the secret is not kept.

    Keys of one owner share responses; `team` and `user` are whom limits and budgets may be for, `limits` its own.
    `tags` are words of its maker's.
    """

    id: str
    owner: str | None = None
    models: tuple[str, ...] = ()
    team: str | None = None
    user: str | None = None
    limits: OwnLimits | None = None
    tags: tuple[str, ...] = ()


class Client(msgspec.Struct, frozen=True):
    """Where the request came from. `headers` has lower-case names; `address` is the peer's IP address."""

    address: str
    headers: Mapping[str, str]
    method: str = "POST"
    path: str = "/v1/responses"


class Timing:
    """Moments of the exchange, in seconds of `time.monotonic()`; `wall` is the Unix time of `started`.

    The request had come whole when it was `received`; the client was first sent a piece of the answer at `first_event`.
    """

    __slots__ = ("ended", "first_event", "received", "started", "upstream_head", "upstream_sent", "wall")

    def __init__(self, started: float, wall: float) -> None:
        self.started = started
        self.wall = wall
        self.received: float | None = None
        self.upstream_sent: float | None = None
        self.upstream_head: float | None = None
        self.first_event: float | None = None
        self.ended: float | None = None


class Attempt(msgspec.Struct):
    """One try on one deployment: where, when, and what went wrong (None when it was the one that answered).

    `param` is the parameter that the error was about, if it names one. `usage` is what it has used, as far as its
    upstream told that, and `cost` what that costs, in dollars.
    """

    upstream: str
    model: str
    started: float
    status: int | None = None
    error: str | None = None
    param: str | None = None
    usage: Usage | None = None
    cost: Decimal | None = None


class Exchange:
    """One client request and everything that came of it; stages read it and leave their marks on it.

    `asked_model` is the model's name as it came, whatever stages make of it; answers show it. `request` is None only
    in exchanges that were refused before their body could be read.

    `keeps` says that the response will be kept, `kept` whether that could be done, `keeps_log` that the events of its
    stream will be, and `input_items` are the request's own items as they will be kept, each with an id. `memory` is
    what the client's connection remembers of earlier responses, where it remembers any; `claim` is on the conversation
    that the response is to be added to, while the exchange is its writer. `made_by` is the deployment that made the
    previous response, as `upstream/model`. A `background` response goes on when its
    client leaves. One that is not to `generate` only prepares the context: it ends without output, and no upstream is
    asked. One that is `counting` only asks how many tokens its input is.

    `gates` are what stages above `route` want to be asked before each attempt.

    While an answer is streamed, `nudge` lets filters that want a turn have it, whether or not the upstream says
    something; see `ResponseFilter.wants_turn`.

    `usage` is what its last attempt has used, `service_tier` the one that the upstream says it was served in. `cost` is
    what all its attempts cost together, in dollars; None where nothing was used or no price is known.

    `times` are the seconds that each stage has taken with the request, where somebody wants to know: its client, if it
    `shows_times`, or an observer. `pulse` counts the pieces of a stream as they are sent, where somebody listens to it.
    """

    __slots__ = (
        "asked_model",
        "attempts",
        "background",
        "claim",
        "client",
        "committed",
        "cost",
        "counting",
        "deployment",
        "error",
        "gates",
        "generate",
        "head_status",
        "id",
        "ignored",
        "input_items",
        "keeps",
        "keeps_log",
        "kept",
        "key",
        "made_by",
        "marks",
        "memory",
        "models",
        "nudge",
        "outcome",
        "plan",
        "pulse",
        "request",
        "response_headers",
        "response_id",
        "service_tier",
        "shows_times",
        "times",
        "timing",
        "translate",
        "upstream_request",
        "usage",
    )

    def __init__(self, id: str, client: Client, request: ModelRequest | None) -> None:
        self.id = id
        self.client = client
        self.request: ModelRequest = request  # type: ignore[assignment]  # see the class docstring
        self.response_id: str | None = None
        self.asked_model: str | None = None
        self.key: Key | None = None
        self.background = False
        self.generate = True
        self.counting = False
        self.keeps = False
        self.keeps_log = False
        self.kept: bool | None = None
        self.memory: TurnMemory | None = None
        self.claim: Claim | None = None
        self.made_by: str | None = None
        self.input_items: list[msgspec.Raw] = []
        self.models: ModelTable = NO_MODELS
        self.plan: Plan | None = None
        self.deployment: Deployment | None = None
        self.translate: TranslateOptions | None = None
        self.upstream_request: UpstreamRequest | None = None
        self.attempts: list[Attempt] = []
        self.gates: tuple[Gate, ...] = ()
        self.ignored: list[str] = []
        self.response_headers: dict[str, str] = {}
        self.marks: dict[str, Any] = {}
        self.committed = False
        self.nudge: Callable[[], None] | None = None
        self.head_status: int | None = None
        self.outcome: Outcome | None = None
        self.error: ExchangeError | None = None
        self.usage: Usage | None = None
        self.service_tier: str | None = None
        self.cost: Decimal | None = None
        self.pulse: Pulse | None = None
        self.times: dict[str, float] | None = None
        self.shows_times = False
        self.timing = Timing(time.monotonic(), time.time())

    @property
    def model(self) -> str | None:
        """The name the client asked for, or None when the request does not say it."""
        if self.asked_model is not None:
            return self.asked_model
        try:
            return self.request.model if self.request is not None else None
        except ExchangeError:
            return None

    @property
    def is_remembered(self) -> bool:
        """Whether a later turn may go on from the response, wherever it is remembered."""
        return self.keeps or self.memory is not None or self.claim is not None

    def ignore(self, param: str) -> None:
        """Notes a parameter that has no effect on this upstream; it is named in `x-penstock-ignored-params`.

        It may be named as in the Responses API: the client is told of it by its own name.
        """
        name = param if self.request is None else self.request.own_name(param)
        if name not in self.ignored:
            self.ignored.append(name)


async def pass_gates(exchange: Exchange, deployment: Deployment, *beside: Deployment) -> None:
    """Asks whether a deployment may be asked, beside others maybe; raises ExchangeError where it may not."""
    deployments = deployment, *beside
    for gate in exchange.gates:
        waiting = gate(exchange, deployments)
        if waiting is not None:
            await waiting
