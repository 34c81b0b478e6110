"""Turns neutral events into the event stream of the Responses API, and into the final Response. Sans-IO.

The encoder alone owns sequence numbers, output indexes, content indexes and item ids. At any time at most one message
or reasoning item is open (`open_item`), and any number of calls (`open_calls`; models may interleave their arguments).
What is open at the end closes by its place.

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
    MessageStart,
    OutputItem,
    Passed,
    PassedItem,
    PassedResponse,
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
from .encoder_options import EncoderOptions
from .event_log import DONE, EventLog
from .event_writer import MANY, NUMBERS, EventWriter, chunk_template
from .flow import Flow
from .grammar import PartKind
from .open_calls import OpenCalls
from .open_item import OpenItem, Seal
from .output import Output
from .output_items import CallItem, Item, ItemStatus, OpaqueItem, Part, ToolForms
from .relay import PassedItems
from .snapshot import Snapshot

_encode = msgspec.json.encode
_join = b"".join

_OWN_CODES = frozenset(("upstream_error", "upstream_unreachable", "timeout"))
"""Codes of Penstock's own that say more about it than about the answer: clients know them as server_error."""


def new_item_id(prefix: str, index: int) -> str:
    """Returns a fresh id for an output item, in OpenAI's form."""
    return f"{prefix}_{secrets.token_hex(24)}"


def unix_now() -> int:
    """Returns the time in Unix seconds."""
    return int(time.time())


class ResponsesEncoder:
    """Encodes one response: `begin`, then `encode` until `done`; `final()` is the Response as it ended.

    Works the same for a non-streamed answer, whose bytes are simply not sent. `log` holds what the stream has said so
    far, if that is kept.
    """

    any_piece = True
    __slots__ = (
        "_calls",
        "_end",
        "_final",
        "_flow",
        "_log_entries",
        "_now",
        "_open",
        "_options",
        "_output",
        "_passed",
        "_snapshot",
        "_status",
        "_writer",
        "error",
        "log",
        "outcome",
        "piece",
        "service_tier",
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
        self._options = asked = options or EncoderOptions()
        self._now = now
        self.log = log = EventLog(done_marker=asked.done_marker) if asked.keep_log else None
        self._log_entries = entries = log.entries if log is not None else None
        self._writer = writer = EventWriter(log)
        self._output = output = Output(writer, item_id)
        self._calls = calls = OpenCalls(writer, output, tools, obfuscation=asked.obfuscation)
        self._open = OpenItem(
            writer, output, calls, seal=seal, show_sealed=asked.show_sealed, obfuscation=asked.obfuscation
        )
        self._passed: PassedItems | None = None  # made for the first
        self._flow = flow = Flow(writer, entries)
        self.piece = flow.piece
        self._end = b""
        self._status = "new"  # then `queued`, `in_progress`; what came of it is in `outcome`
        self._final: bytes | None = None
        self.outcome: Outcome | None = None
        self.usage: Usage | None = None
        self.service_tier: str | None = None
        self.error: ExchangeError | None = None

    @property
    def done(self) -> bool:
        """True once the terminal event was made; nothing follows it."""
        return self._final is not None

    def use(self, tools: ToolForms | None, seal: Seal | None, *, heard: bool = True) -> None:
        """Says what the attempt at hand needs: how tools were renamed, how reasoning is sealed, who hears events."""
        self._calls.tools = tools
        self._open.seal = seal
        self._writer.heard = heard or self.log is not None

    def queue(self) -> bytes:
        """Returns the events that open the stream of a response that has to wait; then `begin` gives the rest."""
        snapshot = self._snapshot.render("queued")
        self._status = "queued"
        return self._writer.opening("response.queued", snapshot, self._snapshot.shared)

    def begin(self) -> bytes:
        """Returns the events that open the stream, or what is missing of them behind `queue`; none behind the end."""
        if self._final is not None:
            return b""
        snapshot = self._snapshot.render("in_progress")
        status, self._status = self._status, "in_progress"
        if status == "queued":
            return self._writer.snapshot("response.in_progress", snapshot, self._snapshot.shared)
        return self._writer.opening("response.in_progress", snapshot, self._snapshot.shared)

    def encode(self, events: Sequence[Event]) -> bytes:
        """Returns the bytes for events, often one text delta. Hot: once a read."""
        out: list[bytes] = []
        writer = self._writer
        log = self._log_entries
        flow = self._flow
        for event in events:
            kind = flow.kind
            if kind is TextDelta and type(event) is TextDelta and event.logprobs is None:
                part: Any = flow.what
                text = event.text
                if text:
                    part.texts.append(text)
                    if log is not None:
                        log.append(text)  # the part's template is in force
                    number = writer.next
                    writer.next = number + 1
                    out.append(part.template % (number, _encode(text)))
            elif self._final is None:
                if kind is not None and type(event) is not kind and type(event) is not Usage:
                    flow.close()
                _HANDLERS[type(event)](self, event, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def pieces(self, texts: list[str], strings: list[bytes]) -> bytes:
        """Returns the deltas of more pieces of text, whose JSON within quotes is `strings`; or b"", as `piece` does."""
        if self._flow.kind is not TextDelta:
            return b""
        part: Any = self._flow.what
        part.texts += texts
        if self._log_entries is not None:
            self._log_entries += texts
        first = self._writer.next
        self._writer.next = end = first + len(texts)
        numbers = NUMBERS[first:end] if end <= MANY else [b"%d" % number for number in range(first, end)]
        if b"\\" in _join(strings):  # escapes may be written in several ways: only one is ours
            strings = [_encode(text)[1:-1] for text in texts]
        head, place, tail, _ = self._flow.around
        within, tail = place + b'"', b'"' + tail[:-2]
        return head + (tail + head).join(map(within.join, zip(numbers, strings, strict=True))) + tail

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
        return self._open.kept()

    def output_chars(self) -> int:
        """Returns how many characters the model has produced so far."""
        passed = self._passed.chars() if self._passed is not None else 0
        return self._output.chars() + self._calls.chars() + self._open.chars() + passed

    # --- events of the answer

    def _on_text(self, event: TextDelta, out: list[bytes]) -> None:
        if not event.text:
            return
        part = self._open.begin_text(out)
        self._let_flow(part, TextDelta, (part.texts,))
        logprobs = event.logprobs if self._options.logprobs else None
        if logprobs:
            part.logprobs.extend(logprobs)
        self._open.delta(part, event.text, out, logprobs)

    def _let_flow(self, what: Part | CallItem, kind: type[Event], lists: tuple[list[str], ...]) -> None:
        """Lets more pieces of that part or call take the short way, where all of them are written alike."""
        if self._options.obfuscation:
            return
        around = what.around if isinstance(what, Part) else chunk_template(what.template)
        self._flow.open(what, kind, lists, around)
        if self.log is not None:
            self.log.use(what.template)

    def _on_refusal(self, event: Refusal, out: list[bytes]) -> None:
        if event.text:
            self._open.delta(self._open.part_of("refusal", out), event.text, out)

    def _on_reasoning(self, event: ReasoningDelta, out: list[bytes]) -> None:
        shown = self._options.reasoning
        if not event.text:
            return
        if shown == "drop":
            if self._open.seal is not None:
                self._open.reasoning(out).hidden.append(event.text)
            return
        kind: PartKind = "summary_text" if event.summary or shown == "summary" else "reasoning_text"
        item = self._open
        part = item.part
        if part is None or part.kind != kind or self._calls.by_key:
            part = item.part_of(kind, out)
        item.delta(part, event.text, out)
        if part is not self._flow.what:
            self._let_flow(part, ReasoningDelta, (part.texts,))

    def _on_state(self, event: ReasoningState, out: list[bytes]) -> None:
        self._open.keep_state(event.state, out)

    def _on_annotation(self, event: Annotation, out: list[bytes]) -> None:
        self._open.annotate(event.annotation, out)

    def _on_call_start(self, event: ToolCallStart, out: list[bytes]) -> None:
        if self._calls.allows(event):
            self._open.make_room(out)
            self._calls.start(event, out)

    def _on_item(self, event: OutputItem, out: list[bytes]) -> None:
        self._open.make_room(out)
        self._calls.close_whole(out)
        item = OpaqueItem(event.item)
        self._output.add(item, out)
        place = {"output_index": item.index, "item_id": item.id}
        out.extend(self._writer.event(step, place) for step in item.steps)
        self._output.finish(item, "completed", out)

    def _on_message(self, event: MessageStart, out: list[bytes]) -> None:
        self._open.start_message(event.phase, out)

    def _on_passed(self, event: Passed, out: list[bytes]) -> None:
        if self._passed is None:
            self._passed = PassedItems(self._writer, self._output)
        out.append(self._passed.take(event))

    def _on_response(self, event: PassedResponse, out: list[bytes]) -> None:
        """Takes over what can still be told: once the stream is open, its snapshots agree."""
        if event.ended or self._status == "new":
            self._snapshot.adopt(event.fields, ended=event.ended)

    def _on_call_delta(self, event: ToolCallDelta, out: list[bytes]) -> None:
        if self._open.item is not None and self._calls.opens_item(beside=event.key):
            self._open.close(out)
        self._calls.delta(event, out)
        call = self._calls.by_key.get(event.key)
        if call is not self._flow.what:
            if call is not None and call.template and call.input is None:
                self._let_flow(call, ToolCallDelta, (call.written.pieces, call.shown))
            else:
                self._flow.close()

    def _on_usage(self, event: Usage, out: list[bytes]) -> None:
        self.usage = event

    def _on_finish(self, event: Finish, out: list[bytes]) -> None:
        """Ends as the model, a limit or a filter wanted; what is open closes by its place in the output."""
        whole = event.reason == "stop"
        self.service_tier = event.service_tier
        calls = self._calls.take_all() if self._calls.by_key else []
        place = len(calls) if self._open.item is None else self._open.item.index
        before = sum(0 <= call.index < place for call in calls) if calls else 0
        for call in calls[:before]:
            self._close_call(call, out, whole=whole)
        self._open.close(out, "completed" if whole else "incomplete")
        for call in calls[before:]:
            self._close_call(call, out, whole=whole)
        if whole:
            self._open.make_room(out)
            self.outcome = "completed"
            output = self._output.to_json()
            self._final = self._snapshot.completed(output, self.usage, self._now(), event.service_tier)
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

    # --- the end

    def _close_call(self, call: CallItem, out: list[bytes], *, whole: bool) -> None:
        self._calls.close(call, "completed" if whole or call.is_whole() else "incomplete", out)

    def _open_items(self) -> list[Item | PassedItem]:
        """Returns the items that the client was told of and that are not done."""
        items: list[Item | PassedItem] = [call for call in self._calls.by_key.values() if call.index >= 0]
        if self._open.item is not None:
            items.append(self._open.item)
        return items if self._passed is None else items + self._passed.open_items()

    def _keep_open(self, status: ItemStatus) -> None:
        """Keeps what is open as it is, and closes nothing."""
        for item in self._open_items():
            self._output.keep(item, status)
        self._calls.by_key.clear()
        self._open.drop()
        if self._passed is not None:
            self._passed.drop()

    def _render(self, status: str, **changes: Any) -> bytes:
        return self._snapshot.render(status, output=self._output.to_json(), usage=self.usage, **changes)

    def _terminal(self, type: str, out: list[bytes]) -> None:
        assert self._final is not None
        self._flow.close()
        self._end = self._writer.terminal(type, self._final) + (DONE if self._options.done_marker else b"")
        if not self._options.hold_end:
            out.append(self.end())


_HANDLERS: dict[type[Event], Callable[[ResponsesEncoder, Any, list[bytes]], None]] = {
    TextDelta: ResponsesEncoder._on_text,
    ReasoningDelta: ResponsesEncoder._on_reasoning,
    ReasoningState: ResponsesEncoder._on_state,
    Refusal: ResponsesEncoder._on_refusal,
    Annotation: ResponsesEncoder._on_annotation,
    MessageStart: ResponsesEncoder._on_message,
    OutputItem: ResponsesEncoder._on_item,
    Passed: ResponsesEncoder._on_passed,
    PassedResponse: ResponsesEncoder._on_response,
    ToolCallStart: ResponsesEncoder._on_call_start,
    ToolCallDelta: ResponsesEncoder._on_call_delta,
    Usage: ResponsesEncoder._on_usage,
    Finish: ResponsesEncoder._on_finish,
    UpstreamFailed: ResponsesEncoder._on_failed,
}
