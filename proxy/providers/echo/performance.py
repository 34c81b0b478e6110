"""Plays an answer as a chat-completions model would send it: ticks of a stream, a whole completion, an HTTP error.

A tick is what leaves at one moment: the role chunk, then a token a tick, then the end. Sans-IO.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import Any, cast

import msgspec

from ...api.chat.encoder import ChatEncoder
from ...errors import UpstreamStreamError
from ...events import (
    Event,
    Finish,
    FinishReason,
    ReasoningDelta,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from .script import Answer
from .tokens import count_tokens, tokens

_ERRORS: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "not_found"),
    408: ("server_error", "timeout"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "overloaded"),
}
_RETRY_AFTER_S = 1


class Performance:
    """One answer on its way out. `ticks` or `whole` is used, once."""

    def __init__(self, answer: Answer, request: dict[str, Any], body: bytes, created: int) -> None:
        self.answer = answer
        digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        options = request.get("stream_options")
        self._call_id = f"call_{digest[:16]}"
        self._reasoning_tokens = 0
        self._tokens = 0
        self._cut_short = False
        self._tier = "default" if isinstance(request.get("service_tier"), str) else None
        self._encoder = ChatEncoder(
            id=f"chatcmpl-{digest}",
            model=str(request.get("model")),
            created=created,
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )

    def ticks(self) -> Iterator[bytes]:
        """Yields the bytes of the stream, up to its end or to the accident.

        A lost connection breaks off in the middle of an event.
        """
        accident_at = self._accident_at()
        yield self._encoder.begin()
        events = self._events()
        for count, batch in enumerate(chain(events, [None])):
            if count == accident_at:
                yield from self._accident(batch)
                return
            if batch is not None:
                yield self._encoder.encode(batch)
        yield self._end()

    def whole(self) -> bytes:
        """Returns the completion as one JSON object, equal in content to the stream; for `stream_error` that error."""
        if self.answer.accident == "stream_error":
            return msgspec.json.encode({"error": _accident_error().to_dict()})
        self._encoder.encode([event for batch in self._events() for event in batch])
        self._end()
        return self._encoder.final()

    @property
    def seconds(self) -> float:
        """How long the answer takes at its pace: an answer in one piece comes only when it is complete."""
        pace = self.answer.tokens_per_s
        return self.answer.first_token_s + (self._count() / pace if pace else 0.0)

    def _accident(self, batch: list[Event] | None) -> Iterator[bytes]:
        if self.answer.accident == "stream_error":
            yield self._encoder.fail(_accident_error())
        elif self.answer.accident == "cut":
            data = self._encoder.encode(batch) if batch is not None else self._end()
            yield data[: len(data) // 2]

    def _accident_at(self) -> int | None:
        """Returns the number of tokens behind which the accident comes, or None."""
        if self.answer.accident is None:
            return None
        count = self._count()
        return count // 2 if self.answer.after is None else min(self.answer.after, count)

    def _count(self) -> int:
        """Returns how many tokens will be said."""
        count = self._all()
        if self.answer.half:
            count = max(1, count // 2)
        return count if self.answer.limit is None else min(count, self.answer.limit)

    def _all(self) -> int:
        answer = self.answer
        arguments = sum(max(1, count_tokens(call.arguments)) for call in answer.calls)
        return count_tokens(answer.reasoning) + count_tokens(answer.refusal) + count_tokens(answer.text) + arguments

    def _events(self) -> Iterator[list[Event]]:
        """Yields the events of the answer, those of one token at a time, as far as its limit allows."""
        limit = self._count() if self.answer.half else self.answer.limit
        for batch in self._unlimited():
            if limit is not None and self._tokens >= limit:
                self._cut_short = True
                return
            self._tokens += 1
            if type(batch[0]) is ReasoningDelta:
                self._reasoning_tokens += 1
            yield batch

    def _unlimited(self) -> Iterator[list[Event]]:
        answer = self.answer
        for token in tokens(answer.reasoning):
            yield [ReasoningDelta(token)]
        for token in tokens(answer.text):
            yield [TextDelta(token, [_logprob(token)] if answer.logprobs else None)]
        for token in tokens(answer.refusal):
            yield [Refusal(token)]
        for key, call in enumerate(answer.calls):
            start: list[Event] = [ToolCallStart(key, f"{self._call_id}_{key}", call.name, call.custom)]
            for token in tokens(call.arguments):
                yield [*start, ToolCallDelta(key, token)]
                start = []
            if start:
                yield start

    def _end(self) -> bytes:
        """Returns the last tick: finish reason, usage, `[DONE]`."""
        prompt, said = self.answer.prompt_tokens, self._tokens
        usage = Usage(
            input_tokens=prompt,
            output_tokens=said,
            reasoning_tokens=self._reasoning_tokens,
            total_tokens=prompt + said,
        )
        reason = self.answer.finish or ("length" if self._cut_short or self.answer.half else "stop")
        return self._encoder.encode([usage, Finish(cast(FinishReason, reason), self._tier)])


def error_body(answer: Answer) -> tuple[dict[str, str], bytes]:
    """Returns headers and body of an HTTP error, as OpenAI's API sends it."""
    kind, code = _ERRORS.get(answer.status, ("invalid_request_error" if answer.status < 500 else "server_error", None))
    error = {"message": answer.message, "type": kind, "param": answer.param, "code": answer.code or code}
    if error["code"] == "insufficient_quota":
        error["type"] = "insufficient_quota"
    headers = {"content-type": "application/json"}
    if answer.status in (429, 503) and error["code"] != "insufficient_quota":
        headers["retry-after"] = str(_RETRY_AFTER_S)
    return headers, msgspec.json.encode({"error": error})


def _accident_error() -> UpstreamStreamError:
    return UpstreamStreamError("The echo model broke off, as it was asked to.", code="server_error")


def _logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": 0.0, "bytes": list(token.encode()), "top_logprobs": []}
