"""Turns neutral events into the event stream of the Responses API, and into the final Response. Sans-IO.

The encoder alone owns sequence numbers, output indexes, content indexes and item ids. At any time at most one message
or reasoning item is open, and any number of calls (models may interleave their arguments). What opens closes what was
open before it, so that items finish in the order in which they began; what is open at the end closes by its place.

A part's delta event is the same bytes every time but for its number and its text: a template is made when the part
opens, and a text delta costs one formatting.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...errors import ExchangeError
from ...events import (
    Annotation,
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from ...exchange import Outcome
from .event_log import DONE, EventLog
from .event_writer import EventWriter
from .grammar import PartKind
from .open_calls import OpenCalls, padding
from .output import Output
from .output_items import CallItem, Item, ItemStatus, MessageItem, OpaqueItem, Part, ReasoningItem, ToolForms
from .snapshot import Snapshot

_encode = msgspec.json.encode

Seal = Callable[[dict[str, Any], str], str | None]
"""Seals a reasoning item's state and text for `encrypted_content`; None when there is nothing to keep."""

_OWN_CODES = frozenset(("upstream_error", "upstream_unreachable", "timeout"))
"""Codes of Penstock's own that say more about it than about the answer: clients know them as server_error."""


class EncoderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the request and `stream-translate` say about the form of the answer.

    `reasoning`: raw thinking as `content` parts, as `summary` parts, or not at all. `logprobs`: the client asked for
    them. `obfuscation`: pad deltas, so that their length does not tell the text's. `done_marker`: `[DONE]` at the end.
    `show_sealed`: the client asked for what is sealed. `hold_end`: the terminal event is not among the bytes of
    `encode` but given by `end`, for whoever has to do something before it leaves. `keep_log`: keep what the stream
    said, so that it can be read again.
    """

    reasoning: str = "content"
    logprobs: bool = False
    obfuscation: bool = False
    done_marker: bool = True
    show_sealed: bool = True
    hold_end: bool = False
    keep_log: bool = False


def new_item_id(prefix: str, index: int) -> str:
    """Returns a fresh id for an output item, in OpenAI's form."""
    return f"{prefix}_{secrets.token_hex(24)}"


def unix_now() -> int:
    """Returns the time in Unix seconds."""
    return int(time.time())


class ResponsesEncoder:
    """Encodes one response: `begin`, then `encode` until `done`; `final()` is the Response as it ended.

    Works the same for a non-streamed answer, whose bytes are simply not sent.
    """

    __slots__ = (
        "_calls",
        "_end",
        "_final",
        "_flow",
        "_item",
        "_log_entries",
        "_now",
        "_options",
        "_output",
        "_part",
        "_pending_state",
        "_seal",
        "_sealed",
        "_snapshot",
        "_status",
        "_text_length",
        "_writer",
        "error",
        "log",
        "outcome",
        "usage",
    )

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        options: EncoderOptions | None = None,
        tools: ToolForms | None = None,
        seal: Seal | None = None,
        item_id: Callable[[str, int], str] = new_item_id,
        now: Callable[[], int] = unix_now,
    ) -> None:
        self._snapshot = snapshot
        self._options = options or EncoderOptions()
        self._seal = seal
        self._now = now
        self.log = EventLog(done_marker=self._options.done_marker) if self._options.keep_log else None
        self._log_entries = self.log.entries if self.log is not None else None
        self._writer = EventWriter(self.log)
        self._output = Output(self._writer, item_id)
        self._calls = OpenCalls(self._writer, self._output, tools, obfuscation=self._options.obfuscation)
        self._item: MessageItem | ReasoningItem | None = None  # the open one
        self._part: Part | None = None  # the open one of that item
        self._flow: Part | None = None  # the open part if it has text and nothing has come beside it: hot
        self._pending_state: dict[str, Any] = {}  # of thinking that is still to come
        self._text_length = 0  # of the text parts that are closed, in characters
        self._sealed: dict[int, str] = {}  # what is sealed but not shown, by output index
        self._end = b""
        self._status = "new"  # then `queued`, `in_progress`; what came of it is in `outcome`
        self._final: bytes | None = None
        self.outcome: Outcome | None = None
        self.usage: Usage | None = None
        self.error: ExchangeError | None = None

    @property
    def done(self) -> bool:
        """True once the terminal event was made; nothing follows it."""
        return self._final is not None

    def use(self, tools: ToolForms | None, seal: Seal | None) -> None:
        """Says what the attempt at hand needs: how tools were renamed, and how reasoning is sealed."""
        self._calls.tools = tools
        self._seal = seal

    def queue(self) -> bytes:
        """Returns the events that open the stream of a response that has to wait; then `begin` gives the rest."""
        snapshot = self._snapshot.render("queued")
        self._status = "queued"
        created = self._writer.snapshot("response.created", snapshot)
        return created + self._writer.snapshot("response.queued", snapshot)

    def begin(self) -> bytes:
        """Returns the events that open the stream, or what is missing of them behind `queue`."""
        snapshot = self._snapshot.render("in_progress")
        created = b"" if self._status == "queued" else self._writer.snapshot("response.created", snapshot)
        self._status = "in_progress"
        return created + self._writer.snapshot("response.in_progress", snapshot)

    def encode(self, events: Sequence[Event]) -> bytes:
        """Returns the bytes for events, often one text delta. Hot: once a read."""
        out: list[bytes] = []
        writer = self._writer
        log = self._log_entries
        for event in events:
            part = self._flow
            if part is not None and type(event) is TextDelta and event.logprobs is None:
                text = event.text
                if text:
                    part.texts.append(text)
                    if log is not None:
                        log.append(text)  # the part's template is in force
                    number = writer.next
                    writer.next = number + 1
                    out.append(part.template % (number, _encode(text)))
            elif self._final is None:
                _HANDLERS[type(event)](self, event, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def fail(self, error: ExchangeError) -> bytes:
        """Ends the response with an error, in whatever state it is; returns the events that say so."""
        opening = self.begin() if self._status == "new" else b""
        return opening + self.encode([UpstreamFailed(error)])

    def cancel(self, usage: Usage | None = None) -> bytes:
        """Ends the response because nobody wants the rest, in whatever state it is; returns the events that say so.

        What is open gets no done events and stands in the output as it is. The API has no event for it: the terminal
        one is `response.incomplete`, and its Response says `cancelled`. `usage` replaces what is known of it.
        """
        if self._final is not None:
            return b""
        out = [self.begin()] if self._status == "new" else []
        self.usage = usage or self.usage
        self._keep_open("in_progress")
        self.outcome = "cancelled"
        self._final = self._render("cancelled")
        self._terminal("response.incomplete", out)
        return b"".join(out)

    def now(self) -> bytes:
        """Returns the Response in its present state, as JSON."""
        if self._final is not None:
            return self._final
        if self._status != "in_progress":
            return self._snapshot.render("queued")
        return self._snapshot.render("in_progress", output=self._output.to_json(self._open_items()))

    def final(self) -> bytes:
        """Returns the Response as it ended, as JSON; only once `done`."""
        assert self._final is not None
        return self._final

    def end(self) -> bytes:
        """Returns the terminal event, once; empty unless it is held and the response has ended."""
        end, self._end = self._end, b""
        if self.log is not None:
            self.log.release()
        return end

    def kept_output(self) -> list[msgspec.Raw]:
        """Returns the output items with all that is sealed, whether the client may see it or not."""
        kept: list[msgspec.Raw] = []
        for index, item in enumerate(self._output.items()):
            if item is not None:
                sealed = self._sealed.get(index)
                more = b"" if sealed is None else b',"encrypted_content":' + _encode(sealed)
                kept.append(msgspec.Raw(item[:-1] + more + b"}"))
        return kept

    def output_chars(self) -> int:
        """Returns how many characters the model has produced so far."""
        return self._output.chars() + self._calls.chars() + (self._item.chars() if self._item is not None else 0)

    # --- events of the answer

    def _on_text(self, event: TextDelta, out: list[bytes]) -> None:
        if not event.text:
            return
        part = self._open_part("output_text", out)
        if not self._options.obfuscation:
            self._flow = part
            if self.log is not None:
                self.log.use(part.template)
        logprobs = event.logprobs if self._options.logprobs else None
        if logprobs:
            part.logprobs.extend(logprobs)
        self._delta(part, event.text, out, logprobs)

    def _on_refusal(self, event: Refusal, out: list[bytes]) -> None:
        if event.text:
            self._delta(self._open_part("refusal", out), event.text, out)

    def _on_reasoning(self, event: ReasoningDelta, out: list[bytes]) -> None:
        shown = self._options.reasoning
        if not event.text:
            return
        if shown == "drop":
            if self._seal is not None:
                self._open_reasoning(out).hidden.append(event.text)
            return
        kind: PartKind = "summary_text" if event.summary or shown == "summary" else "reasoning_text"
        part = self._part
        if part is None or part.kind != kind or self._calls.by_key:
            part = self._open_part(kind, out)
        self._delta(part, event.text, out)

    def _on_state(self, event: ReasoningState, out: list[bytes]) -> None:
        """Keeps what the provider wants back. It may come before, with or after the thinking that it belongs to."""
        if isinstance(self._item, ReasoningItem):
            _merge(self._item.state, event.state)
            return
        _merge(self._pending_state, event.state)
        if self._item is None and not self._calls.by_key:
            self._flush_state(out)

    def _on_annotation(self, event: Annotation, out: list[bytes]) -> None:
        part = self._part
        if part is None or part.kind != "output_text":
            return
        annotation = dict(event.annotation)
        for key in ("start_index", "end_index"):
            if isinstance(annotation.get(key), int):
                annotation[key] = max(0, annotation[key] - part.start)
        part.annotations.append(annotation)
        place = {**part.place, "annotation_index": len(part.annotations) - 1}
        out.append(self._writer.event("response.output_text.annotation.added", {**place, "annotation": annotation}))

    def _on_call_start(self, event: ToolCallStart, out: list[bytes]) -> None:
        if self._calls.allows(event):
            self._close_item(out)
            self._flush_state(out)
            self._close_item(out)
            self._calls.start(event, out)

    def _on_item(self, event: OutputItem, out: list[bytes]) -> None:
        self._close_item(out)
        self._flush_state(out)
        self._close_item(out)
        self._calls.close_whole(out)
        item = OpaqueItem(event.item)
        self._output.add(item, out)
        self._output.finish(item, "completed", out)

    def _on_call_delta(self, event: ToolCallDelta, out: list[bytes]) -> None:
        self._flow = None
        self._calls.delta(event, out)

    def _on_usage(self, event: Usage, out: list[bytes]) -> None:
        self.usage = event

    def _on_finish(self, event: Finish, out: list[bytes]) -> None:
        """Ends as the model, a limit or a filter wanted; what is open closes by its place in the output."""
        whole = event.reason == "stop"
        calls = self._calls.take_all()
        place = len(calls) if self._item is None else self._item.index
        for call in [call for call in calls if 0 <= call.index < place]:
            self._close_call(call, out, whole=whole)
        self._close_item(out, "completed" if whole else "incomplete")
        for call in [call for call in calls if not 0 <= call.index < place]:
            self._close_call(call, out, whole=whole)
        if whole:
            self._flush_state(out)
            self._close_item(out)
            self.outcome = "completed"
            self._final = self._render("completed", completed_at=self._now(), service_tier=event.service_tier)
        else:
            self.outcome = "incomplete"
            reason = "max_output_tokens" if event.reason == "length" else event.reason
            self._final = self._render("incomplete", incomplete_reason=reason, service_tier=event.service_tier)
        self._terminal(f"response.{self.outcome}", out)

    def _on_failed(self, event: UpstreamFailed, out: list[bytes]) -> None:
        """Ends in an error: what is open gets no done events and stands in the output as incomplete."""
        self.error = error = event.error
        code = "server_error" if not error.code or error.code in _OWN_CODES else error.code
        flat = {"code": code, "message": error.message, "param": None}
        out.append(self._writer.event("error", {"error": {"type": code, **flat}, **flat}))
        self._keep_open("incomplete")
        self.outcome = "failed"
        self._final = self._render("failed", error={"code": code, "message": error.message})
        self._terminal("response.failed", out)

    # --- items and parts

    def _open_part(self, kind: PartKind, out: list[bytes]) -> Part:
        """Returns the open part of that kind, after opening it and closing what stands in its way."""
        self._calls.close_whole(out)
        part = self._part
        if part is not None and part.kind == kind:
            return part
        item: MessageItem | ReasoningItem
        if kind in ("output_text", "refusal"):
            item = self._open_message(out)
        else:
            if kind == "reasoning_text" and isinstance(self._item, ReasoningItem) and self._item.summarised():
                self._close_item(out)  # raw thinking stands in front of a summary: this is another stretch of it
            item = self._open_reasoning(out)
        self._close_part(out)
        self._part = part = Part(kind, item, self._text_length)
        added = self._writer.event(part.grammar.added, {**part.place, "part": part.to_dict()})
        item.parts.append(part)
        out.append(added)
        return part

    def _open_message(self, out: list[bytes]) -> MessageItem:
        if isinstance(self._item, MessageItem):
            return self._item
        self._close_item(out)
        item = MessageItem()
        self._output.add(item, out)
        self._item = item
        return item

    def _open_reasoning(self, out: list[bytes]) -> ReasoningItem:
        if isinstance(self._item, ReasoningItem):
            return self._item
        self._close_item(out)
        self._calls.close_whole(out)
        item = ReasoningItem(self._pending_state)
        self._pending_state = {}
        self._output.add(item, out)
        self._item = item
        return item

    def _flush_state(self, out: list[bytes]) -> None:
        """Opens an item for details that came without thinking: they are worth one of their own."""
        if self._pending_state.get("details") and self._seal is not None:
            self._open_reasoning(out)

    def _delta(self, part: Part, text: str, out: list[bytes], logprobs: list[dict[str, Any]] | None = None) -> None:
        part.texts.append(text)
        if logprobs or self._options.obfuscation:
            fields: dict[str, Any] = {**part.place, "delta": text}
            if part.kind == "output_text":
                fields["logprobs"] = logprobs or []
            if self._options.obfuscation:
                fields["obfuscation"] = padding(text)
            out.append(self._writer.event(part.grammar.delta, fields))
        else:
            writer = self._writer  # as `delta` of it does, without the call
            if writer.log is not None:
                writer.log.delta(part.template, text)
            number = writer.next
            writer.next = number + 1
            out.append(part.template % (number, _encode(text)))

    def _close_part(self, out: list[bytes]) -> None:
        part = self._part
        if part is None:
            return
        self._part = self._flow = None
        done: dict[str, Any] = {**part.place, part.grammar.text_field: part.text()}
        if part.kind == "output_text":
            done["logprobs"] = part.logprobs
            self._text_length += len(part.text())
        out.append(self._writer.event(part.grammar.done, done))
        out.append(self._writer.event(part.grammar.closed, {**part.place, "part": part.to_dict()}))

    def _close_item(self, out: list[bytes], status: ItemStatus = "completed") -> None:
        item = self._item
        if item is None:
            return
        self._close_part(out)
        self._item = None
        if isinstance(item, ReasoningItem) and self._seal is not None:
            sealed = self._seal(item.state, item.text())
            if self._options.show_sealed:
                item.sealed = sealed
            elif sealed is not None:
                self._sealed[item.index] = sealed
        self._output.finish(item, status, out)

    def _close_call(self, call: CallItem, out: list[bytes], *, whole: bool) -> None:
        self._calls.close(call, "completed" if whole or call.is_whole() else "incomplete", out)

    # --- the end

    def _open_items(self) -> list[Item]:
        """Returns the items that the client was told of and that are not done."""
        calls: list[Item] = [call for call in self._calls.by_key.values() if call.index >= 0]
        return calls if self._item is None else [*calls, self._item]

    def _keep_open(self, status: ItemStatus) -> None:
        """Keeps what is open as it is, and closes nothing."""
        for item in self._open_items():
            self._output.keep(item, status)
        self._calls.by_key.clear()

    def _render(self, status: str, **changes: Any) -> bytes:
        return self._snapshot.render(status, output=self._output.to_json(), usage=self.usage, **changes)

    def _terminal(self, type: str, out: list[bytes]) -> None:
        assert self._final is not None
        self._item = self._part = self._flow = None
        self._end = self._writer.terminal(type, self._final) + (DONE if self._options.done_marker else b"")
        if not self._options.hold_end:
            out.append(self.end())


_HANDLERS: dict[type[Event], Callable[[ResponsesEncoder, Any, list[bytes]], None]] = {
    TextDelta: ResponsesEncoder._on_text,
    ReasoningDelta: ResponsesEncoder._on_reasoning,
    ReasoningState: ResponsesEncoder._on_state,
    Refusal: ResponsesEncoder._on_refusal,
    Annotation: ResponsesEncoder._on_annotation,
    OutputItem: ResponsesEncoder._on_item,
    ToolCallStart: ResponsesEncoder._on_call_start,
    ToolCallDelta: ResponsesEncoder._on_call_delta,
    Usage: ResponsesEncoder._on_usage,
    Finish: ResponsesEncoder._on_finish,
    UpstreamFailed: ResponsesEncoder._on_failed,
}


def _merge(state: dict[str, Any], more: dict[str, Any]) -> None:
    """Adds to a state: lists grow, everything else is replaced."""
    for name, value in more.items():
        if isinstance(value, list):
            state.setdefault(name, []).extend(value)
        else:
            state[name] = value
