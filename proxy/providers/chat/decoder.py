"""Turns the chunks of a chat-completions upstream into neutral events. Sans-IO.

One chunk is taken in the order in which models produce: reasoning, refusal, text, tool calls; then its finish reason
and usage are remembered. The answer ends at `[DONE]` or with the body, not at the finish reason, because usage may
follow it. What real servers do beyond the specification, and which recording shows it, is in the wire reference; the
rules here are its sections 5.2 to 5.9:

- an empty string and null are absent, everywhere; roles, ids, models and times of chunks mean nothing;
- white space in front of an answer's text waits until it is known that no tool call follows;
- the first finish reason counts; an error behind it changes nothing, one before it fails the answer;
- a payload that is no JSON is skipped; three in a row fail the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...errors import UpstreamCut, UpstreamError, UpstreamGarbled
from ...events import (
    Annotation,
    Event,
    Finish,
    FinishReason,
    Refusal,
    TextDelta,
    UpstreamFailed,
)
from ..provider import Payload
from .calls import ToolCalls
from .chunk import Choice, Chunk, Delta, decode_chunk, decode_leniently
from .citations import from_annotation, from_citations
from .reasoning import Reasoning
from .stream_error import error_in, stream_error
from .surrogates import Surrogates
from .think import ThinkSplitter, ThinkTags
from .usage import usage_from_chat

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
}
_FAILED_FINISH = frozenset(("error", "abort", "insufficient_system_resource"))
_MALFORMED_IN_A_ROW = 3


def new_call_id() -> str:
    """Returns an id for a call that the upstream gave none."""
    return "call_" + secrets.token_hex(12)


class ChatDecoder:
    """Takes the payloads of one answer; returns its events, ending in one Finish or UpstreamFailed.

    `done` is True from then on. `malformed` counts payloads that were skipped. `make_call_id` names calls that the
    upstream gave no usable id.
    """

    __slots__ = (
        "_calls",
        "_citations",
        "_delta_seen",
        "_finish",
        "_in_text",
        "_lead",
        "_logprobs",
        "_malformed_run",
        "_output",
        "_reasoning",
        "_surrogates",
        "_think",
        "_tier",
        "_usage_last",
        "done",
        "malformed",
    )

    def __init__(
        self, *, think_tags: ThinkTags = "off", make_call_id: Callable[[], str] = new_call_id
    ) -> None:
        self.done = False
        self.malformed = 0
        self._malformed_run = 0
        self._calls = ToolCalls(make_call_id)
        self._reasoning = Reasoning()
        self._surrogates: Surrogates | None = None
        self._think = ThinkSplitter(implied=think_tags == "implied") if think_tags != "off" else None
        self._finish: str | None = None
        self._tier: str | None = None
        self._citations: list[dict[str, Any]] = []
        self._in_text = False  # text was the last thing said: white space belongs to it
        self._lead = ""  # white space that may be the beginning of text
        self._logprobs: list[dict[str, Any]] = []  # of text that is still held
        self._delta_seen = False
        self._output = False  # something was said
        self._usage_last = False  # a usage-only chunk has come after something was said

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads; returns the events they make. Hot: once a read."""
        events: list[Event] = []
        for name, data in payloads:
            if self.done:
                break
            if data == b"[DONE]" or data == b"DONE":
                self._end(events, clean=True)
            elif name == b"" or name == b"message":
                self._payload(data, events)
            else:
                self._named(name, data, events)
        return events

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in Finish or UpstreamFailed."""
        events: list[Event] = []
        if not self.done:
            self._end(events, clean=False)
        return events

    def whole(self, body: bytes) -> list[Event]:
        """Takes the body of a non-streamed answer; returns all its events."""
        events: list[Event] = []
        self._payload(body.strip(), events)
        if not self.done and self.malformed:
            self._fail(UpstreamGarbled("The upstream's answer is not JSON."), events)
        if not self.done:
            self._end(events, clean=True)
        return events

    def _payload(self, data: bytes, events: list[Event]) -> None:
        """Takes one payload that should be a chunk. Hot: once a chunk."""
        try:
            chunk = decode_chunk(data)
        except msgspec.DecodeError:
            self._misfit(data, events)
            return
        except UnicodeDecodeError:
            self._skip(events)
            return
        self._malformed_run = 0
        if self._surrogates is not None:
            self._surrogates.mend(chunk)
        self._chunk(chunk, data, events)

    def _chunk(self, chunk: Chunk, data: bytes, events: list[Event]) -> None:
        """Takes one chunk that fits. Hot: once a chunk."""
        if chunk.choices:
            for choice in chunk.choices:
                if not choice.index:  # the first answer: 0 or not said
                    self._choice(choice, events)
        elif chunk.error is None and chunk.usage is None and (found := error_in(data)) is not None:
            chunk.error = found
        if chunk.service_tier:
            self._tier = chunk.service_tier
        if chunk.usage is not None:
            self._take_usage(chunk.usage, events)
            self._usage_last = self._usage_last or (self._output and not chunk.choices)
        elif chunk.x_groq is not None and isinstance(chunk.x_groq, dict):
            groq = chunk.x_groq.get("usage")
            if isinstance(groq, dict):
                self._take_usage(groq, events)
            if chunk.error is None:
                chunk.error = chunk.x_groq.get("error")
        if chunk.citations or chunk.search_results:
            self._citations = from_citations(chunk.citations, chunk.search_results)
        if chunk.error:
            self._error(chunk.error, events)

    def _choice(self, choice: Choice, events: list[Event]) -> None:
        """Takes what one chunk adds to the answer. Hot: once a chunk."""
        delta = choice.delta
        if delta is None:
            delta = choice.message if not self._delta_seen else None
        else:
            self._delta_seen = True
        if delta is not None:
            if choice.logprobs is not None and choice.logprobs.content:
                self._logprobs.extend(choice.logprobs.content)
            self._delta(delta, events)
        if choice.finish_reason and self._finish is None:
            self._finish = choice.finish_reason
        if choice.error:
            self._error(choice.error, events)
        elif choice.finish_reason in _FAILED_FINISH:
            self._fail(
                stream_error({"message": f"The upstream ended with finish_reason {choice.finish_reason!r}."}), events
            )

    def _delta(self, delta: Delta, events: list[Event]) -> None:
        """Takes one delta in the order in which models produce. Hot: once a chunk."""
        if (
            delta.reasoning_content
            or delta.reasoning
            or delta.reasoning_details
            or delta.thinking
            or delta.thinking_blocks
        ):
            before = len(events)
            self._reasoning.take(delta, events)
            if len(events) > before:
                self._in_text = False
                self._output = True
        if delta.refusal:
            self._in_text = True
            self._output = True
            events.append(Refusal(self._take_lead() + delta.refusal))
        content = delta.content
        if content:
            if isinstance(content, str):
                if self._think is None:
                    self._text(content, events)
                else:
                    self._split(self._think.feed(content), events)
            else:
                self._parts(content, events)
        if delta.annotations:
            for one in delta.annotations:
                if (annotation := from_annotation(one)) is not None:
                    events.append(Annotation(annotation))
        if delta.tool_calls or delta.function_call is not None:
            self._take_calls(delta, events)

    def _text(self, text: str, events: list[Event]) -> None:
        """Takes a piece of visible text. Hot: once a chunk."""
        if not self._in_text:
            if text.isspace():
                self._lead += text
                return
            text = self._take_lead() + text
            self._in_text = self._output = True
        if self._logprobs:
            logprobs, self._logprobs = self._logprobs, []
            events.append(TextDelta(text, logprobs))
        else:
            events.append(TextDelta(text))

    def _take_lead(self) -> str:
        lead, self._lead = self._lead, ""
        return lead

    def _split(self, pieces: list[tuple[bool, str]], events: list[Event]) -> None:
        for thinking, text in pieces:
            if thinking:
                self._in_text, self._output = False, True
                self._reasoning.text(text, events, field="think_tags")
            else:
                self._text(text, events)

    def _parts(self, parts: list[Any], events: list[Event]) -> None:
        """Takes content that is a list of typed parts (Mistral)."""
        for part in parts:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "thinking":
                thinking = part.get("thinking")
                inner = thinking if isinstance(thinking, list) else [{"text": thinking}]
                text = "".join(one["text"] for one in inner if isinstance(one, dict) and isinstance(one.get("text"), str))
                if text:
                    self._in_text, self._output = False, True
                    self._reasoning.text(text, events, field="content")
            elif isinstance(part.get("text"), str) and part["text"]:
                self._text(part["text"], events)

    def _take_calls(self, delta: Delta, events: list[Event]) -> None:
        before = len(events)
        for piece in delta.tool_calls or ():
            self._calls.take(piece, events)
        if delta.function_call is not None:
            self._calls.take_legacy(delta.function_call, events)
        if len(events) > before or self._calls:
            self._in_text, self._output = False, True
            self._lead = ""

    def _take_usage(self, usage: dict[str, Any], events: list[Event]) -> None:
        if usage:
            events.append(usage_from_chat(usage))

    def _named(self, name: bytes, data: bytes, events: list[Event]) -> None:
        """Takes a payload with an event name: an error, an unframed body, or a chunk under a name of its own."""
        if name == b"error":
            self._error(_loads(data), events)
        elif name == b"unframed":
            obj = _loads(data)
            if isinstance(obj, dict) and (obj.get("choices") or obj.get("error")):
                self._payload(data, events)
            elif isinstance(obj, list) and obj and isinstance(obj[0], dict) and obj[0].get("error"):
                self._error(obj[0]["error"], events)
        elif name != b"ping":
            self._payload(data, events)

    def _misfit(self, data: bytes, events: list[Event]) -> None:
        """Takes a payload that is no chunk as it should be."""
        if not data.strip():
            return
        read = decode_leniently(data)
        if read is None:
            self._skip(events)
            return
        self._malformed_run = 0
        if self._surrogates is None:
            self._surrogates = Surrogates()
        chunk = read[0]
        self._surrogates.mend(chunk)
        self._chunk(chunk, data, events)

    def _skip(self, events: list[Event]) -> None:
        self.malformed += 1
        self._malformed_run += 1
        if self._malformed_run >= _MALFORMED_IN_A_ROW:
            self._fail(UpstreamGarbled("The upstream sent several events in a row that are not JSON."), events)

    def _error(self, error: Any, events: list[Event]) -> None:
        """Takes an error object: it fails the answer, unless the answer had come to its end."""
        if self._finish is None:
            self._fail(stream_error(error), events)

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        if not self.done:
            self.done = True
            events.append(UpstreamFailed(error))

    def _end(self, events: list[Event], *, clean: bool) -> None:
        """Ends the answer; `clean` when the upstream said so itself."""
        if self._think is not None:
            self._split(self._think.finish(), events)
        if self._surrogates is not None and (rest := self._surrogates.finish()) and self._in_text:
            events.append(TextDelta(rest))
        if self._lead and not self._calls:
            self._in_text = self._output = True
            events.append(TextDelta(self._take_lead()))
        if self._calls.nameless():
            self._fail(UpstreamGarbled("The upstream sent a tool call without a name."), events)
        elif self._finish is None and not ((clean and self._output) or self._usage_last):
            self._fail(
                UpstreamGarbled("The upstream ended the stream without an answer.")
                if clean
                else UpstreamCut("The upstream closed the stream before it was complete."),
                events,
            )
        else:
            if self._in_text:
                events.extend(Annotation(one) for one in self._citations)
            self.done = True
            events.append(Finish(_FINISH.get(self._finish or "stop", "stop"), self._tier))


def _loads(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data.decode("utf-8", "replace")
