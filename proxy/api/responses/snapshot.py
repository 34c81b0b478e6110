"""The Response object around its output: built once as bytes, filled in with what changes while the response runs."""

from __future__ import annotations

from typing import Any

import msgspec

from ...events import Usage

_encode = msgspec.json.encode


class Snapshot:
    """Renders the Response object (wire reference, section 3.1) in its different states.

    `echo` holds every field that comes from the request; `created_at` is in Unix seconds.
    """

    __slots__ = ("_head", "_rest", "_tier")

    def __init__(self, echo: dict[str, Any], *, response_id: str, created_at: int, model: str) -> None:
        rest = dict(echo)
        self._tier = rest.pop("service_tier", None) or "default"
        rest.setdefault("background", False)
        rest["model"] = model
        self._head = _encode({"id": response_id, "object": "response", "created_at": created_at})[:-1]
        # JSON of the client's own may have line ends between its tokens; the data of an event is one line
        self._rest = _encode(rest)[1:].translate(None, b"\r\n")

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
        return (
            b'%b,"status":"%b","completed_at":%b,"error":%b,"incomplete_details":%b,"output":%b,"usage":%b,"service_tier":%b,%b'
            % (
                self._head,
                status.encode(),
                _encode(completed_at),
                _encode(error),
                _encode(None if incomplete_reason is None else {"reason": incomplete_reason}),
                output,
                _encode(None if usage is None else usage_object(usage)),
                _encode(tier),
                self._rest,
            )
        )


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
