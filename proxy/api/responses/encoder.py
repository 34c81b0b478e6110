"""Turns neutral events into the event stream of the Responses API, and into the final Response. Sans-IO.

The encoder alone owns sequence numbers, output indexes, content indexes and item ids. At any time at most one message
or reasoning item is open, or any number of calls (models may interleave their arguments); what opens closes what was
open before it, so that items finish in the order in which they began. A call is closed by what follows it only when its
arguments are a whole JSON value; otherwise it stays open until the end.

A part's delta event is the same bytes every time but for its number and its text: the bytes around them are made
when the part opens, and a text delta costs one formatting.
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
from .grammar import PARTS, PartKind
from .output_items import CallItem, Item, ItemStatus, MessageItem, Part, ReasoningItem, ToolForms
from .snapshot import Snapshot

_encode = msgspec.json.encode
_DELTA = b"%b%d%b%b%b"

Seal = Callable[[dict[str, Any], str], str | None]
"""Seals a reasoning item's state and text for `encrypted_content`; None when there is nothing to keep."""


class EncoderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the request and `stream-translate` say about the form of the answer.

    `reasoning`: raw thinking as `content` parts, as `summary` parts, or not at all. `logprobs`: the client asked for
    them. `obfuscation`: pad deltas, so that their length does not tell the text's. `done_marker`: `[DONE]` at the end.
    """

    reasoning: str = "content"
    logprobs: bool = False
    obfuscation: bool = False
    done_marker: bool = True


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
        "_before",
        "_call_items",
        "_calls",
        "_extra",
        "_final",
        "_finished",
        "_item",
        "_item_id",
        "_now",
        "_options",
        "_output",
        "_part",
        "_pending_state",
        "_seal",
        "_seq",
        "_snapshot",
        "_text_length",
        "_tools",
        "error",
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
        self._tools = tools
        self._seal = seal
        self._item_id = item_id
        self._now = now
        self._seq = 0
        self._item: MessageItem | ReasoningItem | None = None  # the open one
        self._part: Part | None = None  # the open one of that item
        self._before = b""  # the bytes of a delta of that part, up to its sequence number
        self._extra = (b"", b"")  # its bytes between number and text, and behind the text
        self._calls: dict[int, CallItem] = {}  # the open ones, by key
        self._call_items: set[int] = set()  # keys of all calls, closed ones too
        self._output: list[Item] = []
        self._finished: dict[int, bytes] = {}  # final JSON of closed items, by output index
        self._pending_state: dict[str, Any] = {}
        self._text_length = 0
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
        self._tools = tools
        self._seal = seal

    def begin(self) -> bytes:
        """Returns the events that open the stream."""
        snapshot = self._snapshot.render("in_progress")
        return self._lifecycle("response.created", snapshot) + self._lifecycle("response.in_progress", snapshot)

    def encode(self, events: Sequence[Event]) -> bytes:
        """Returns the bytes for events, often one text delta. Hot: once a read."""
        out: list[bytes] = []
        for event in events:
            if type(event) is TextDelta and self._part is not None and self._part.kind == "output_text":
                if event.logprobs is None and not self._options.obfuscation:
                    self._part.texts.append(event.text)
                    sequence = self._seq
                    self._seq = sequence + 1
                    between, behind = self._extra
                    out.append(_DELTA % (self._before, sequence, between, _encode(event.text), behind))
                    continue
            if self._final is None:
                _HANDLERS[type(event)](self, event, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def fail(self, error: ExchangeError) -> bytes:
        """Ends the response with an error, in whatever state it is; returns the events that say so."""
        return self.encode([UpstreamFailed(error)])

    def final(self) -> bytes:
        """Returns the Response as it ended, as JSON; only once `done`."""
        assert self._final is not None
        return self._final

    def output_chars(self) -> int:
        """Returns how many characters the model has produced so far."""
        total = 0
        for item in self._output:
            if isinstance(item, CallItem):
                total += len(item.name) + sum(map(len, item.raw))
            elif isinstance(item, ReasoningItem):
                total += len(item.text())
            else:
                total += sum(len(text) for part in item.parts for text in part.texts)
        return total

    # --- events of the answer

    def _on_text(self, event: TextDelta, out: list[bytes]) -> None:
        part = self._open_part("output_text", out)
        logprobs = event.logprobs if self._options.logprobs else None
        if logprobs:
            part.logprobs.extend(logprobs)
        self._delta(part, event.text, out, logprobs)

    def _on_refusal(self, event: Refusal, out: list[bytes]) -> None:
        self._delta(self._open_part("refusal", out), event.text, out)

    def _on_reasoning(self, event: ReasoningDelta, out: list[bytes]) -> None:
        shown = self._options.reasoning
        if shown == "drop":
            if self._seal is not None:
                self._open_reasoning(out).hidden.append(event.text)
            return
        kind: PartKind = "summary_text" if event.summary or shown == "summary" else "reasoning_text"
        self._delta(self._open_part(kind, out), event.text, out)

    def _on_state(self, event: ReasoningState, out: list[bytes]) -> None:
        """Keeps what the provider wants back. It may come before, with or after the thinking that it belongs to."""
        details = event.state.get("details")
        if isinstance(self._item, ReasoningItem):
            state = self._item.state
        elif details and self._seal is not None:
            state = self._open_reasoning(out).state
        else:
            state = self._pending_state
        _merge(state, event.state)

    def _on_annotation(self, event: Annotation, out: list[bytes]) -> None:
        part = self._part
        if part is None or part.kind != "output_text" or not isinstance(self._item, MessageItem):
            return
        annotation = dict(event.annotation)
        for key in ("start_index", "end_index"):
            if isinstance(annotation.get(key), int):
                annotation[key] = max(0, annotation[key] - part.start)
        part.annotations.append(annotation)
        self._emit(
            "response.output_text.annotation.added",
            {
                "item_id": self._item.id,
                "output_index": self._item.index,
                "content_index": part.index,
                "annotation_index": len(part.annotations) - 1,
                "annotation": annotation,
            },
            out,
        )

    def _on_call_start(self, event: ToolCallStart, out: list[bytes]) -> None:
        self._close_item(out)
        self._close_whole_calls(out)
        form = self._tools.lookup(event.name) if self._tools is not None else None
        call = CallItem(event.call_id, event.name, form, freeform=event.freeform)
        self._calls[event.key] = call
        if call.grammar.delta is not None:
            self._add_call(call, out)

    def _on_call_delta(self, event: ToolCallDelta, out: list[bytes]) -> None:
        call = self._calls.get(event.key)
        if call is None:
            return  # closed as whole: only white space can follow
        call.raw.append(event.arguments)
        if call.grammar.delta is None:
            return
        text = event.arguments if call.freeform is None else call.freeform.feed(event.arguments)
        if text:
            self._call_delta(call, text, out)

    def _on_usage(self, event: Usage, out: list[bytes]) -> None:
        self.usage = event

    def _on_finish(self, event: Finish, out: list[bytes]) -> None:
        whole = event.reason == "stop"
        self._close_item(out, "completed" if whole else "incomplete")
        for call in sorted(self._calls.values(), key=lambda call: call.index if call.index >= 0 else len(self._output)):
            status: ItemStatus = "completed" if whole or call.is_whole() else "incomplete"
            self._close_call(call, status, out)
        self._calls.clear()
        if whole:
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
        code = error.code or "server_error"
        message = error.message
        self._emit(
            "error",
            {
                "error": {"type": code, "code": code, "message": message, "param": None},
                "code": code,
                "message": message,
                "param": None,
            },
            out,
        )
        open_items: list[Item] = [self._item] if self._item is not None else []
        open_items += [call for call in self._calls.values() if call.index >= 0]
        for item in open_items:
            self._finished[item.index] = _encode(item.to_dict("incomplete"))
        self.outcome = "failed"
        self._final = self._render("failed", error={"code": code, "message": message})
        self._terminal("response.failed", out)

    # --- items and parts

    def _open_part(self, kind: PartKind, out: list[bytes]) -> Part:
        """Returns the open part of that kind, after opening it and closing what stands in its way."""
        part = self._part
        if part is not None and part.kind == kind:
            return part
        item = self._open_message(out) if kind in ("output_text", "refusal") else self._open_reasoning(out)
        self._close_part(out)
        grammar = PARTS[kind]
        index = sum(PARTS[one.kind].index_field == grammar.index_field for one in item.parts)
        part = Part(kind, index, self._text_length)
        item.parts.append(part)
        self._part = part
        place = {"item_id": item.id, "output_index": item.index, grammar.index_field: index}
        self._emit(grammar.added, {**place, "part": part.to_dict("")}, out)
        self._before, between = _frame(grammar.delta, place)
        self._extra = (between, b',"logprobs":[]}\n\n' if kind == "output_text" else b"}\n\n")
        return part

    def _open_message(self, out: list[bytes]) -> MessageItem:
        if isinstance(self._item, MessageItem):
            return self._item
        self._close_item(out)
        self._close_whole_calls(out)
        item = MessageItem(self._item_id("msg", len(self._output)), len(self._output))
        self._item = item
        self._add(item, {"id": item.id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}, out)
        return item

    def _open_reasoning(self, out: list[bytes]) -> ReasoningItem:
        if isinstance(self._item, ReasoningItem):
            return self._item
        self._close_item(out)
        self._close_whole_calls(out)
        item = ReasoningItem(self._item_id("rs", len(self._output)), len(self._output))
        item.state, self._pending_state = self._pending_state, {}
        self._item = item
        self._add(item, {"id": item.id, "type": "reasoning", "status": "in_progress", "summary": [], "content": []}, out)
        return item

    def _add(self, item: Item, shown: dict[str, Any], out: list[bytes]) -> None:
        self._output.append(item)
        self._emit("response.output_item.added", {"output_index": item.index, "item": shown}, out)

    def _delta(
        self, part: Part, text: str, out: list[bytes], logprobs: list[dict[str, Any]] | None = None
    ) -> None:
        part.texts.append(text)
        between, behind = self._extra
        if logprobs:
            behind = b',"logprobs":%b}\n\n' % _encode(logprobs)
        if self._options.obfuscation:
            behind = b',"obfuscation":"%b"%b' % (_padding(text), behind)
        out.append(_DELTA % (self._before, self._next(), between, _encode(text), behind))

    def _close_part(self, out: list[bytes]) -> None:
        part, item = self._part, self._item
        if part is None or item is None:
            return
        self._part = None
        grammar = PARTS[part.kind]
        text = "".join(part.texts)
        place = {"item_id": item.id, "output_index": item.index, grammar.index_field: part.index}
        done: dict[str, Any] = {**place, grammar.text_field: text}
        if part.kind == "output_text":
            done["logprobs"] = part.logprobs
            self._text_length += len(text)
        self._emit(grammar.done, done, out)
        self._emit(grammar.closed, {**place, "part": part.to_dict(text)}, out)

    def _close_item(self, out: list[bytes], status: ItemStatus = "completed") -> None:
        item = self._item
        if item is None:
            return
        self._close_part(out)
        self._item = None
        if isinstance(item, ReasoningItem) and self._seal is not None:
            item.sealed = self._seal(item.state, item.text())
        self._finish_item(item, status, out)

    def _finish_item(self, item: Item, status: ItemStatus, out: list[bytes]) -> None:
        shown = _encode(item.to_dict(status))
        self._finished[item.index] = shown
        self._emit("response.output_item.done", {"output_index": item.index, "item": msgspec.Raw(shown)}, out)

    # --- calls

    def _add_call(self, call: CallItem, out: list[bytes]) -> None:
        call.index = len(self._output)
        call.id = self._item_id(call.grammar.id_prefix, call.index)
        if call.grammar.delta is not None:
            call.before, call.between = _frame(call.grammar.delta, {"item_id": call.id, "output_index": call.index})
        self._add(call, call.to_dict("in_progress"), out)

    def _call_delta(self, call: CallItem, text: str, out: list[bytes]) -> None:
        call.shown.append(text)
        behind = b',"obfuscation":"%b"}\n\n' % _padding(text) if self._options.obfuscation else b"}\n\n"
        out.append(_DELTA % (call.before, self._next(), call.between, _encode(text), behind))

    def _close_whole_calls(self, out: list[bytes]) -> None:
        """Closes the open calls whose arguments are complete, so that a client can start on them."""
        for key in [key for key, call in self._calls.items() if call.is_whole()]:
            self._close_call(self._calls.pop(key), "completed", out)

    def _close_call(self, call: CallItem, status: ItemStatus, out: list[bytes]) -> None:
        if call.grammar.delta is None:
            if not _is_object("".join(call.raw)):
                call.become_function()
            self._add_call(call, out)
        if call.grammar.delta is not None and call.grammar.done is not None:
            self._finish_value(call, status, out)
            done = {"item_id": call.id, "output_index": call.index, call.grammar.value_field: "".join(call.shown)}
            if call.kind == "function_call":
                done["name"] = call.name
            self._emit(call.grammar.done, done, out)
        self._finish_item(call, status, out)

    def _finish_value(self, call: CallItem, status: ItemStatus, out: list[bytes]) -> None:
        """Sends what is still missing of a call's arguments or input, so that the deltas add up to the whole."""
        if call.freeform is not None:
            rest = call.freeform.finish()
        elif call.shown:
            rest = ""
        else:
            rest = "".join(call.raw) or ("{}" if call.kind == "function_call" and status == "completed" else "")
        if rest:
            self._call_delta(call, rest, out)

    # --- bytes

    def _next(self) -> int:
        sequence = self._seq
        self._seq = sequence + 1
        return sequence

    def _emit(self, type: str, fields: dict[str, Any], out: list[bytes]) -> None:
        data = _encode({"type": type, "sequence_number": self._next(), **fields})
        out.append(b"event: %b\ndata: %b\n\n" % (type.encode(), data))

    def _lifecycle(self, type: str, snapshot: bytes) -> bytes:
        kind = type.encode()
        head = b'event: %b\ndata: {"type":"%b","sequence_number":%d' % (kind, kind, self._next())
        return b'%b,"response":%b}\n\n' % (head, snapshot)

    def _render(self, status: str, **changes: Any) -> bytes:
        output = b"[" + b",".join(self._finished[index] for index in sorted(self._finished)) + b"]"
        return self._snapshot.render(status, output=output, usage=self.usage, **changes)

    def _terminal(self, type: str, out: list[bytes]) -> None:
        assert self._final is not None
        self._part = self._item = None
        out.append(self._lifecycle(type, self._final))
        if self._options.done_marker:
            out.append(b"data: [DONE]\n\n")


_HANDLERS: dict[type[Event], Callable[[ResponsesEncoder, Any, list[bytes]], None]] = {
    TextDelta: ResponsesEncoder._on_text,
    ReasoningDelta: ResponsesEncoder._on_reasoning,
    ReasoningState: ResponsesEncoder._on_state,
    Refusal: ResponsesEncoder._on_refusal,
    Annotation: ResponsesEncoder._on_annotation,
    ToolCallStart: ResponsesEncoder._on_call_start,
    ToolCallDelta: ResponsesEncoder._on_call_delta,
    Usage: ResponsesEncoder._on_usage,
    Finish: ResponsesEncoder._on_finish,
    UpstreamFailed: ResponsesEncoder._on_failed,
}


def _frame(type: str, place: dict[str, Any]) -> tuple[bytes, bytes]:
    """Returns the bytes of a delta event in front of its number, and those between its number and its text."""
    before = f'event: {type}\ndata: {{"type":"{type}","sequence_number":'
    return before.encode(), b"," + _encode(place)[1:-1] + b',"delta":'


def _merge(state: dict[str, Any], more: dict[str, Any]) -> None:
    """Adds to a state: lists grow, everything else is replaced."""
    for name, value in more.items():
        old = state.get(name)
        state[name] = [*old, *value] if isinstance(old, list) and isinstance(value, list) else value


def _is_object(text: str) -> bool:
    try:
        return not text or isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeError):
        return False


def _padding(text: str) -> bytes:
    """Returns letters that bring the delta to a multiple of 16 characters."""
    return secrets.token_urlsafe(16)[: 16 - len(text) % 16].encode()
