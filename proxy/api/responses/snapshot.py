"""The Response object around its output: built once as bytes, filled in with what changes while the response runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from ...events import Usage
from ...transform.edited import edited
from ..raw import given

_encode = msgspec.json.encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_OWN = frozenset(
    (
        # what a response is to its client, whoever answers
        "background", "completed_at", "conversation", "created_at", "error", "id", "incomplete_details",
        "instructions", "max_output_tokens", "metadata", "model", "object", "output", "output_text",
        "previous_response_id", "prompt_cache_key", "safety_identifier", "service_tier", "status", "store",
        "tool_choice", "tools", "usage", "user",
    )
)  # fmt: skip
_OBJECTS = frozenset(("reasoning", "text"))
_DEFAULT = b'"default"'
_COMPLETED = (
    b'{"id":"%b","object":"response","created_at":%d,"status":"completed","completed_at":%d,"error":null,'
    b'"incomplete_details":null,"output":[%b],"usage":%b,"service_tier":%b,%b'
)
_ENDED = (
    b'%b,"status":"completed","completed_at":%d,"error":null,'
    b'"incomplete_details":null,"output":%b,"usage":%b,"service_tier":%b,%b'
)
_USAGE = (
    b'{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d},'
    b'"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}'
)
_USAGE_WITHOUT_DETAILS = (
    b'{"input_tokens":%d,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},'
    b'"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":%d}'
)
_KNOWN_LATE = frozenset(("content_filters", "moderation"))
"""What an upstream's Response knows only when it has ended."""


class Shown(msgspec.Struct, frozen=True, gc=False):
    """What a Response shows of its request: the service tier that was asked for, and the JSON of all the rest.

    That is how the JSON of the Response ends. It is the same for all requests that say the same.
    """

    tier: str
    rest: bytes

    @classmethod
    def of(cls, echo: dict[str, Any], model: str) -> Shown:
        """Returns what is shown of a request by the fields that come from it."""
        rest = dict(echo)
        tier = rest.pop("service_tier", None) or "default"
        rest.setdefault("background", False)
        rest["model"] = model
        # JSON of the client's own may have line ends between its tokens; the data of an event is one line
        return cls(tier, _encode(rest)[1:].translate(None, b"\r\n"))


class Snapshot:
    """Renders the Response object (wire reference, section 3.1) in its different states.

    `echo` holds every field that comes from the request; `created_at` is in Unix seconds. `changed` may come to hold
    what the file changes about fields: their new JSON, None for those that are left out.
    """

    __slots__ = ("_changed", "_head", "_rest", "_tier")

    def __init__(
        self,
        echo: dict[str, Any],
        *,
        response_id: str,
        created_at: int,
        model: str,
        changed: Mapping[str, msgspec.Raw | None] | None = None,
    ) -> None:
        self._begin(Shown.of(echo, model), response_id, created_at, changed)

    @classmethod
    def showing(
        cls, shown: Shown, *, response_id: str, created_at: int, changed: Mapping[str, msgspec.Raw | None]
    ) -> Self:
        """Returns the snapshot of a response whose request was written before."""
        snapshot = cls.__new__(cls)
        snapshot._begin(shown, response_id, created_at, changed)
        return snapshot

    def _begin(
        self, shown: Shown, response_id: str, created_at: int, changed: Mapping[str, msgspec.Raw | None] | None
    ) -> None:
        self._changed = changed if changed is not None else {}
        self._tier, self._rest = shown.tier, shown.rest
        self._head = b'{"id":%b,"object":"response","created_at":%d' % (_encode(response_id), created_at)

    def adopt(self, fields: dict[str, msgspec.Raw], *, ended: bool = False) -> None:
        """Takes over what an upstream's Response says of itself: the settings in force, and fields of its own.

        Whose response it is, and what its client has asked for, stays. What can only be known when it has `ended` is
        taken from there, and nothing else: a stream's snapshots agree in all else.
        """
        taken = _KNOWN_LATE & fields.keys() if ended else fields.keys() - _OWN - _KNOWN_LATE
        news = {name: raw for name, raw in fields.items() if name in taken and given(raw)}
        if not news:
            return
        rest = _decode_fields(b"{" + self._rest)
        for name in _OBJECTS & news.keys():
            news[name] = _completed(rest.get(name), news[name])
        self._rest = _encode({**rest, **news})[1:].translate(None, b"\r\n")

    @property
    def shared(self) -> bytes:
        """How the JSON of all states ends."""
        return self._rest

    def render(
        self,
        status: str,
        *,
        output: bytes = b"[]",
        usage: Usage | None = None,
        completed_at: int | None = None,
        error: dict[str, str] | None = None,
        incomplete_reason: str | None = None,
        service_tier: str | None = None,
    ) -> bytes:
        """Returns the Response as JSON. `output` is the JSON list of its items, `service_tier` the one really used.

        Until that is known the tier that was asked for is shown. As long as a response waits, it is not known which
        one `default` will be: recorded ones show `auto`, which has become `default` in the end.
        """
        tier = service_tier or self._tier
        if status == "queued":
            tier = "auto" if tier == "default" else tier
        elif tier == "auto" and status != "in_progress":
            tier = "default"
        response = (
            b'%b,"status":"%b","completed_at":%b,"error":%b,"incomplete_details":%b,"output":%b,"usage":%b,"service_tier":%b,%b'
            % (
                self._head,
                status.encode(),
                b"null" if completed_at is None else b"%d" % completed_at,
                b"null" if error is None else _encode(error),
                b"null" if incomplete_reason is None else _encode({"reason": incomplete_reason}),
                output,
                b"null" if usage is None else _usage(usage),
                _DEFAULT if tier == "default" else _encode(tier),
                self._rest,
            )
        )
        return edited(response, self._changed) if self._changed else response

    def completed(self, output: bytes, usage: Usage | None, completed_at: int, service_tier: str | None) -> bytes:
        """Returns what `render` does for a response that is complete, as nearly all are in the end, in fewer steps."""
        tier = service_tier or self._tier
        response = _ENDED % (
            self._head,
            completed_at,
            output,
            b"null" if usage is None else _usage(usage),
            _DEFAULT if tier == "default" or tier == "auto" else _encode(tier),
            self._rest,
        )
        return edited(response, self._changed) if self._changed else response


def render_completed(
    shown: Shown,
    response_id: str,
    created_at: int,
    completed_at: int,
    item: bytes,
    usage: Usage | None,
    service_tier: str | None,
) -> bytes:
    """Returns what `Snapshot.render` does for a response of one item that is complete.

    It is for those that nobody was told of before: one template is filled where a snapshot would be made and rendered.
    """
    tier = service_tier or shown.tier
    return _COMPLETED % (
        response_id.encode(),
        created_at,
        completed_at,
        item,
        b"null" if usage is None else _usage(usage),
        _DEFAULT if tier == "default" or tier == "auto" else _encode(tier),
        shown.rest,
    )


def _completed(ours: msgspec.Raw | None, theirs: msgspec.Raw) -> msgspec.Raw:
    """Returns an object of the upstream's, with our values for what it leaves out or null."""
    try:
        fields = _decode_fields(ours) if ours is not None else {}
        said = {name: raw for name, raw in _decode_fields(theirs).items() if given(raw)}
    except msgspec.DecodeError:
        return ours if ours is not None else msgspec.Raw(b"null")
    return msgspec.Raw(_encode({**fields, **said}))


def _usage(usage: Usage) -> bytes:
    """Returns the JSON of `usage_object`, by a template: every answer has one."""
    cached, written, thought = usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens
    if cached or written or thought:
        return _USAGE % (usage.input_tokens, cached, written, usage.output_tokens, thought, usage.total_tokens)
    return _USAGE_WITHOUT_DETAILS % (usage.input_tokens, usage.output_tokens, usage.total_tokens)


def usage_object(usage: Usage) -> dict[str, Any]:
    """Returns the usage object of the Responses API; every key always."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
