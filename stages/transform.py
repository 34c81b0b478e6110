"""The stage that changes requests, and the headers around them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct, field

from proxy import parameters
from proxy.api.chat.request import ChatRequest
from proxy.config.types import Mistake
from proxy.events import Event
from proxy.exchange import Exchange
from proxy.request import ModelRequest
from proxy.stage import Head, ResponseFilter, Stage, StageConfig
from proxy.transform.conditions import Conditions, TransformWhen
from proxy.transform.edited import fields_of, forget_last_fields
from proxy.transform.fields import FieldEdits
from proxy.transform.headers import HeaderEdits, apply_headers, forget_last_attempt, send_headers


class Clamp(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Bounds of a number."""

    min: Annotated[float | None, Meta(description="What is smaller becomes this.")] = None
    max: Annotated[float | None, Meta(description="What is larger becomes this.")] = None

    def __post_init__(self) -> None:
        if any(one is not None and not math.isfinite(one) for one in (self.min, self.max)):
            raise Mistake("a bound is no number", "write a number, or leave it out")
        if self.min is None and self.max is None:
            raise Mistake("nothing is bounded", "set min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Mistake("min is larger than max", "exchange them")

    def bound(self, value: float) -> float:
        """Returns the number within the bounds; one that is whole stays so."""
        bound = self.min if self.min is not None and value < self.min else value
        bound = self.max if self.max is not None and bound > self.max else bound
        return int(bound) if bound == int(bound) and isinstance(value, int) else bound


class SystemEdits(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Texts around the system prompt."""

    prepend: Annotated[str | None, Meta(description="Put before what the client says.")] = None
    append: Annotated[str | None, Meta(description="Put after it.")] = None


_NO_EDITS = (SystemEdits(), HeaderEdits(), HeaderEdits(), FieldEdits())


class TransformConfig(StageConfig, frozen=True, kw_only=True):
    """What to change, and when. Order: rename, drop, default, clamp, set."""

    when: Annotated[TransformWhen, Meta(description="Which exchanges to change; without it, all.")] = TransformWhen()
    rename: Annotated[dict[str, str], Meta(description="Parameters to rename, old name to new.")] = field(
        default_factory=dict
    )
    drop: Annotated[tuple[str, ...], Meta(description="Parameters to remove; a.b is b inside a.")] = ()
    default: Annotated[dict[str, Any], Meta(description="Parameters to set where they are absent or null.")] = field(
        default_factory=dict
    )
    clamp: Annotated[
        dict[str, Clamp],
        Meta(
            description="Bounds of parameters that are numbers; absent ones stay absent. max_output_tokens bounds the "
            "same parameter under its older names, too."
        ),
    ] = field(default_factory=dict)
    set: Annotated[dict[str, Any], Meta(description="Parameters to set, whatever the client says.")] = field(
        default_factory=dict
    )
    system: Annotated[SystemEdits, Meta(description="Texts around the system prompt.")] = SystemEdits()
    headers: Annotated[HeaderEdits, Meta(description="Headers of the request to the upstream.")] = HeaderEdits()
    response_headers: Annotated[HeaderEdits, Meta(description="Headers of the answer to the client.")] = HeaderEdits()
    response: Annotated[
        FieldEdits,
        Meta(
            description="Fields at the top of the Response, in the stream and when it is retrieved, and of a chat "
            "completion that is not streamed."
        ),
    ] = FieldEdits()

    def __post_init__(self) -> None:
        others = (self.system, self.headers, self.response_headers, self.response)
        if not any((self.rename, self.drop, self.default, self.clamp, self.set)) and others == _NO_EDITS:
            raise Mistake("nothing is changed", "add set, default, clamp, drop, rename, system, headers or response")
        for name in self._named():
            if "" in name.split("."):
                raise Mistake(f'"{name}" is no name of a parameter', "write name, or outer.inner")
        for name, wanted in (*self.set.items(), *self.default.items()):
            if not _is_finite(wanted):
                raise Mistake(f'"{name}" has a value that JSON does not know', "write a number")
        for old, new in self.rename.items():
            if "." in old + new:
                raise Mistake(f'"{old if "." in old else new}" cannot be renamed', "rename whole parameters only")
        if twice := [name for name in self.set if name in self.default]:
            raise Mistake(f'"{twice[0]}" is set whatever the client says: its default has no effect', "keep one")

    def _named(self) -> Iterator[str]:
        yield from (*self.rename, *self.rename.values(), *self.drop, *self.default, *self.clamp, *self.set)


class Transform(Stage):
    """Sets, defaults, bounds, drops and renames parameters, changes headers, the system prompt and fields of answers.

    Above `stream-translate` parameters have the names of the client's dialect; below it, those of the upstream's, and
    the request is changed as it will be sent. To set `model` above `route` sends the request to another model (the
    client sees the name it asked for); below `stream-translate` it changes the upstream's name for the model; between
    the two it has no effect. `when: {upstream: ...}` holds only below `route`. Several of these stages may stand in one
    pipeline, each with its own conditions; they run in their order.

    Example:

        transform:
          when: {model: "local/*"}
          drop: [service_tier, metadata]
          default: {temperature: 0.2, reasoning.effort: low}
          clamp: {max_output_tokens: {max: 4096}}
          system: {append: Answer in British English.}
          headers: {set: {x-team: research}}
    """

    name = "transform"
    once: ClassVar[bool] = False
    Config = TransformConfig
    config: TransformConfig

    def __init__(self, config: TransformConfig) -> None:
        super().__init__(config)
        parts = (config.rename, config.drop, config.default, config.clamp, config.set)
        self._edits_request = any(parts) or config.system != SystemEdits()
        self._headers = config.headers.changes()
        self._response_headers = config.response_headers.changes()
        self._fields = config.response.changes()
        self._conditions = Conditions(config.when)

    async def on_request(self, exchange: Exchange) -> Rewrite | Reshape | None:
        """Changes the request, or leaves it alone when the conditions do not hold."""
        if self._headers:
            forget_last_attempt(exchange)
        if self._fields:
            forget_last_fields(exchange)
        if not self._conditions.hold(exchange):
            return None
        sent = exchange.upstream_request
        if self._edits_request and sent is None:
            self._edit(exchange.request)
        elif self._edits_request and sent is not None:
            body = ChatRequest.parse(sent.body)
            self._edit(body)
            sent.body = msgspec.json.encode(body.fields)
        if self._headers:
            send_headers(exchange, self._headers)
        if self._fields:
            fields_of(exchange).update(self._fields)
            return Reshape(self._response_headers)
        return Rewrite(self._response_headers) if self._response_headers else None

    def _edit(self, request: ModelRequest) -> None:
        config = self.config
        for old, new in config.rename.items():
            request.rename(old, new)
        for name in config.drop:
            parameters.drop(request, name)
        for name, wanted in config.default.items():
            if all(parameters.value(request, one) is None for one in parameters.spellings(request, name)):
                parameters.put(request, name, wanted)
        for name, bounds in config.clamp.items():
            for one in parameters.spellings(request, name):
                value = _number(parameters.value(request, one))
                if value is not None and bounds.bound(value) != value:
                    parameters.put(request, one, bounds.bound(value))
        for name, wanted in config.set.items():
            for one in parameters.spellings(request, name):
                if one != name:
                    request.drop(one)
            parameters.put(request, name, wanted)
        if config.system.prepend:
            request.add_instructions(config.system.prepend, "prepend")
        if config.system.append:
            request.add_instructions(config.system.append, "append")


def _number(value: Any) -> float | None:
    """Returns the number that a value is, or is taken for by upstreams that are not strict: a text of digits, say."""
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else None


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


class Rewrite(ResponseFilter):
    """Changes the headers of the answer."""

    def __init__(self, changed: dict[str, str | None]) -> None:
        self._changed = changed

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        """Sets and removes headers."""
        apply_headers(self._changed, head.headers)


class Reshape(Rewrite):
    """Sees to it that the answer's object is made here, where its fields can be changed: it looks at the events."""

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Passes the events on."""
        return events

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Passes a piece of text on."""
        return True
