"""The stage that changes requests, and the headers around them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct, field

from proxy import parameters
from proxy.api.chat.request import ChatRequest
from proxy.config.types import Mistake
from proxy.exchange import Exchange
from proxy.patterns import stands_for
from proxy.request import ModelRequest
from proxy.stage import Head, ResponseFilter, Stage, StageConfig

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_FRAMING = {"content-encoding", "content-length", "te", "trailer", "transfer-encoding"}
_CONNECTION = {"connection", "host", "keep-alive", "proxy-connection", "upgrade"}
_HEADERS = "upstream_headers"
_ABOVE = "upstream_headers_above_route"

Patterns = str | tuple[str, ...]


class TransformWhen(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which exchanges to change; all that is said must hold. Names may hold a *, and be several."""

    model: Annotated[Patterns | None, Meta(description="The model that the client asked for.")] = None
    upstream: Annotated[Patterns | None, Meta(description="The upstream that was chosen; known below route.")] = None
    key: Annotated[Patterns | None, Meta(description="The id of the client's key; known below auth.")] = None
    stream: Annotated[bool | None, Meta(description="Whether the client asked for a stream.")] = None


class HeaderEdits(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Changes to headers. Those that say how the message is framed or where it goes cannot be changed."""

    set: Annotated[dict[str, str], Meta(description="Headers to set, in place of what is there.")] = field(
        default_factory=dict
    )
    drop: Annotated[tuple[str, ...], Meta(description="Headers to remove.")] = ()

    def __post_init__(self) -> None:
        for name in (*self.set, *self.drop):
            if name.lower() in _FRAMING | _CONNECTION:
                raise Mistake(f'the header "{name}" belongs to the connection', "remove it")
            if not _TOKEN.fullmatch(name):
                raise Mistake(f'"{name}" is no name of a header', "use letters, digits and hyphens")
        for name, value in self.set.items():
            if not _VALUE.fullmatch(value):
                raise Mistake(
                    f'the header "{name}" cannot have this value', "leave out line ends and control characters"
                )


class SystemEdits(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Texts around the system prompt."""

    prepend: Annotated[str | None, Meta(description="Put before what the client says.")] = None
    append: Annotated[str | None, Meta(description="Put after it.")] = None


_NO_EDITS = (SystemEdits(), HeaderEdits(), HeaderEdits())


class TransformConfig(StageConfig, frozen=True, kw_only=True):
    """What to change, and when. Order: rename, drop, default, set."""

    when: Annotated[TransformWhen, Meta(description="Which exchanges to change; without it, all.")] = TransformWhen()
    rename: Annotated[dict[str, str], Meta(description="Parameters to rename, old name to new.")] = field(
        default_factory=dict
    )
    drop: Annotated[tuple[str, ...], Meta(description="Parameters to remove; a.b is b inside a.")] = ()
    default: Annotated[dict[str, Any], Meta(description="Parameters to set where they are absent or null.")] = field(
        default_factory=dict
    )
    set: Annotated[dict[str, Any], Meta(description="Parameters to set, whatever the client says.")] = field(
        default_factory=dict
    )
    system: Annotated[SystemEdits, Meta(description="Texts around the system prompt.")] = SystemEdits()
    headers: Annotated[HeaderEdits, Meta(description="Headers of the request to the upstream.")] = HeaderEdits()
    response_headers: Annotated[HeaderEdits, Meta(description="Headers of the answer to the client.")] = HeaderEdits()

    def __post_init__(self) -> None:
        edits = (self.rename, self.drop, self.default, self.set)
        if not any(edits) and (self.system, self.headers, self.response_headers) == _NO_EDITS:
            raise Mistake("nothing is changed", "add set, default, drop, rename, system, headers or response_headers")
        for name in (*self.drop, *self.default, *self.set):
            if "" in name.split("."):
                raise Mistake(f'"{name}" is no name of a parameter', "write name, or outer.inner")


class Transform(Stage):
    """Sets, defaults, drops and renames parameters of requests, changes headers, adds to the system prompt.

    Above `stream-translate` parameters have the names of the client's dialect; below it, those of the upstream's, and
    the request is changed as it will be sent. To set `model` above `route` sends the request to another model (the
    client sees the name it asked for); below `stream-translate` it changes the upstream's name for the model; between
    the two it has no effect. `when: {upstream: ...}` holds only below `route`.

    Example:

        transform:
          when: {model: "local/*"}
          drop: [service_tier, metadata]
          default: {temperature: 0.2, reasoning.effort: low}
          system: {append: Answer in British English.}
          headers: {set: {x-team: research}}
    """

    name = "transform"
    once: ClassVar[bool] = False
    Config = TransformConfig
    config: TransformConfig

    def __init__(self, config: TransformConfig) -> None:
        super().__init__(config)
        edits = (config.rename, config.drop, config.default, config.set, config.system.prepend, config.system.append)
        self._edits_request = any(edits)
        self._edits_headers = config.headers != HeaderEdits()
        self._edits_response = config.response_headers != HeaderEdits()

    async def on_request(self, exchange: Exchange) -> Rewrite | None:
        """Changes the request, or leaves it alone when the conditions do not hold."""
        if self._edits_headers:
            _forget_last_attempt(exchange)
        if not self._holds(exchange):
            return None
        sent = exchange.upstream_request
        if self._edits_request and sent is None:
            self._edit(exchange.request)
        elif self._edits_request and sent is not None:
            body = ChatRequest.parse(sent.body)
            self._edit(body)
            sent.body = msgspec.json.encode(body.fields)
        if self._edits_headers:
            headers = self.config.headers
            changed: dict[str, str | None] = {name.lower(): None for name in headers.drop}
            changed.update((name.lower(), value) for name, value in headers.set.items())
            if sent is None:
                exchange.marks.setdefault(_HEADERS, {}).update(changed)
            else:
                _apply(changed, sent.headers)
        return Rewrite(self.config.response_headers) if self._edits_response else None

    def _holds(self, exchange: Exchange) -> bool:
        when = self.config.when
        deployment = exchange.deployment
        return (
            _among(when.model, exchange.model)
            and _among(when.upstream, None if deployment is None else deployment.provider.name)
            and _among(when.key, None if exchange.key is None else exchange.key.id)
            and (when.stream is None or when.stream == exchange.request.stream)
        )

    def _edit(self, request: ModelRequest) -> None:
        config = self.config
        for old, new in config.rename.items():
            request.rename(old, new)
        for name in config.drop:
            parameters.drop(request, name)
        for name, wanted in config.default.items():
            if parameters.value(request, name) is None:
                parameters.put(request, name, wanted)
        for name, wanted in config.set.items():
            parameters.put(request, name, wanted)
        if config.system.prepend:
            request.add_instructions(config.system.prepend, "prepend")
        if config.system.append:
            request.add_instructions(config.system.append, "append")


class Rewrite(ResponseFilter):
    """Changes the headers of the answer."""

    def __init__(self, headers: HeaderEdits) -> None:
        self._headers = headers

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        """Sets and removes headers."""
        changed: dict[str, str | None] = {name.lower(): None for name in self._headers.drop}
        changed.update((name.lower(), value) for name, value in self._headers.set.items())
        _apply(changed, head.headers)


def _among(patterns: Patterns | None, name: str | None) -> bool:
    if patterns is None:
        return True
    listed = (patterns,) if isinstance(patterns, str) else patterns
    return name is not None and any(stands_for(pattern, name) for pattern in listed)


def _apply(changed: Mapping[str, str | None], headers: dict[str, str]) -> None:
    for name, value in changed.items():
        if value is None:
            headers.pop(name, None)
        else:
            headers[name] = value


def _forget_last_attempt(exchange: Exchange) -> None:
    """Takes back headers that were meant for the upstream of an earlier attempt: they may be a secret of its own."""
    if exchange.deployment is None:
        return
    above, attempt = exchange.marks.get(_ABOVE, (None, 0))
    if above is None:
        above = dict(exchange.marks.get(_HEADERS, {}))
    if attempt != len(exchange.attempts):
        exchange.marks[_HEADERS] = dict(above)
        exchange.marks[_ABOVE] = (above, len(exchange.attempts))
