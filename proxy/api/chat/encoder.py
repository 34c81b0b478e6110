"""Turns neutral events into chat completions: the chunks of a stream, and the whole object. Sans-IO.

One answer is one choice. The machine knows which calls it has shown and under which index; everything else a chunk
needs is constant, so that a piece of text costs a prepared prefix, the text as JSON, and a prepared suffix. Two things
wait for the end of the answer: annotations (one list, as search models send it: a client could not join several), and
the empty arguments of a call that got none, which are `{}`. Several messages of an upstream become one, as paragraphs.
A call bears the name that the client gave its tool, whatever that is called upstream; one of a freeform tool is shown
as such (`type: custom`), also where a function stood for the tool and its input has to be taken out of JSON.

    begin -> role chunk, encode -> chunks ... finish chunk, usage chunk when asked for, [DONE]
                                   or an error event, and nothing behind it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...chunks import frame
from ...errors import ExchangeError
from ...events import (
    Annotation,
    Event,
    Finish,
    FinishReason,
    MessageStart,
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
from ...transform.edited import edited
from ..responses.freeform import FreeformInput
from ..responses.output_items import ToolForms
from .images import FIELD, image_object
from .objects import DONE, annotation_object, error_event, finish_reason, usage_object

_encode = msgspec.json.encode

_PARAGRAPH = "\n\n"
_READABLE = ("summary", "text", "thinking")
"""Fields of structured thinking that hold its words, in any provider's form."""


class _Call:
    """One tool call: the prepared bytes around a piece of its arguments, and the pieces as they were shown.

    `input` takes the raw input of a freeform tool out of the JSON arguments that stand for it, where there are such.
    """

    __slots__ = ("arguments", "call_id", "freeform", "input", "name", "prefix", "suffix")

    def __init__(self, call_id: str, name: str, *, freeform: bool, input: FreeformInput | None) -> None:
        self.call_id = call_id
        self.name = name
        self.freeform = freeform
        self.input = input
        self.prefix = b""
        self.suffix = b""
        self.arguments: list[str] = []

    def to_dict(self) -> dict[str, Any]:
        """Returns the call as an entry of `tool_calls`."""
        arguments = "".join(self.arguments)
        if self.freeform:
            return {"id": self.call_id, "type": "custom", "custom": {"name": self.name, "input": arguments}}
        return {"id": self.call_id, "type": "function", "function": {"name": self.name, "arguments": arguments}}

    def piece(self, text: str) -> bytes:
        """Returns the chunk of a piece of its arguments. Hot: once an event."""
        self.arguments.append(text)
        return self.prefix + _encode(text) + self.suffix


class ChatEncoder:
    """Takes the events of one answer; returns the bytes of its chunks, and at the end the whole completion.

    `id`, `model` and `created` (Unix seconds) stand on every chunk. `reasoning_field` names the field of thinking,
    which the API itself has no word for; without `show_reasoning` none of it is shown, only what is sealed.
    `changed` is what the file changes about fields of the whole completion, as in Snapshot.
    `done` is True once nothing more may follow; `outcome` then says how it ended.
    """

    any_piece = False
    __slots__ = (
        "_annotations",
        "_between",
        "_calls",
        "_changed",
        "_content_prefix",
        "_details",
        "_head",
        "_images",
        "_include_usage",
        "_inserted",
        "_logprobs",
        "_open",
        "_reasoning",
        "_reasoning_field",
        "_reasoning_prefix",
        "_refusal",
        "_show_reasoning",
        "_suffix",
        "_tail",
        "_text",
        "_tools",
        "done",
        "error",
        "finish",
        "outcome",
        "service_tier",
        "usage",
    )

    def __init__(
        self,
        *,
        id: str,
        model: str,
        created: int,
        include_usage: bool = False,
        reasoning_field: str = "reasoning_content",
        show_reasoning: bool = True,
        changed: Mapping[str, msgspec.Raw | None] | None = None,
    ) -> None:
        self._changed = changed if changed is not None else {}
        self._head = {"id": id, "created": created, "model": model}
        self._include_usage = include_usage
        self._reasoning_field = reasoning_field
        self._show_reasoning = show_reasoning
        self._tools: ToolForms | None = None
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        chunk = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._open = b"data: " + _encode(chunk)[:-1] + b',"choices":['
        self._content_prefix = self._open + b'{"index":0,"delta":{"content":'
        self._reasoning_prefix = self._open + b'{"index":0,"delta":{' + _encode(reasoning_field) + b":"
        self._suffix = b'},"logprobs":null,"finish_reason":null}]' + self._tail
        self._text: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._reasoning: list[str] = []
        self._between = False  # another message has begun, and has no text yet
        self._inserted = 0  # characters between messages, which no upstream counts
        self._details: dict[str, list[Any]] = {}
        self._refusal: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._calls: dict[int, _Call] = {}
        self.done = False
        self.outcome: Outcome | None = None
        self.finish: FinishReason | None = None
        self.usage: Usage | None = None
        self.service_tier: str | None = None
        self.error: ExchangeError | None = None

    def use(self, tools: ToolForms | None, seal: object, *, heard: bool = True) -> None:
        """Says how the attempt at hand has renamed tools; for chat clients nothing is sealed."""
        self._tools = tools

    def end(self) -> bytes:
        """Returns nothing: the end of a chat stream is never held."""
        return b""

    def kept_output(self) -> list[msgspec.Raw]:
        """Returns nothing: answers to chat clients are not kept."""
        return []

    def output_chars(self) -> int:
        """Returns how many characters the model has produced so far."""
        calls = sum(len(call.name) + sum(map(len, call.arguments)) for call in self._calls.values())
        return calls + sum(map(len, (*self._text, *self._reasoning, *self._refusal)))

    def begin(self) -> bytes:
        """Returns the first chunk, which says who speaks."""
        return self._delta({"role": "assistant", "content": "", "refusal": None})

    def piece(self, text: str) -> bytes:
        """Returns the event of one more piece of text as a chunk of HTTP's; b"", and nothing is done, for any other."""
        if self.done or self._between or not self._text:
            return b""
        self._text.append(text)
        return frame(self._content_prefix + _encode(text) + self._suffix)

    def pieces(self, texts: list[str], strings: list[bytes]) -> bytes:
        """Returns the events of more pieces of text, whose JSON within quotes is `strings`; or b"", as `piece` does."""
        if self.done or self._between or not self._text:
            return b""
        self._text += texts
        if b"\\" in b"".join(strings):  # escapes may be written in several ways: only one is ours
            strings = [_encode(text)[1:-1] for text in texts]
        head, tail = self._content_prefix + b'"', b'"' + self._suffix
        return head + (tail + head).join(strings) + tail

    def encode(self, events: Sequence[Event]) -> bytes:
        """Returns the chunks for a batch of events; events behind the end are ignored. Hot: once a read."""
        out: list[bytes] = []
        for event in events:
            if self.done:
                break
            if type(event) is TextDelta:
                if self._between:
                    out.append(self._paragraph())
                self._text.append(event.text)
                if event.logprobs:
                    out.append(self._with_logprobs(event))
                else:
                    out.append(self._content_prefix + _encode(event.text) + self._suffix)
            elif type(event) is ToolCallDelta:
                call = self._calls.get(event.key)
                if call is not None:  # else a filter withheld its start, or the tool may not be called
                    text = event.arguments if call.input is None else call.input.feed(event.arguments)
                    if text:
                        out.append(call.piece(text))
            elif type(event) is ReasoningDelta:
                self._reasoning.append(event.text)
                if self._show_reasoning:
                    out.append(self._reasoning_prefix + _encode(event.text) + self._suffix)
            else:
                out.append(self._rare(event))
        return b"".join(out)

    def fail(self, error: ExchangeError) -> bytes:
        """Ends the answer in an error; returns its event, or nothing when the answer had ended before."""
        if self.done:
            return b""
        self.done = True
        self.outcome = "failed"
        self.error = error
        return error_event(error)

    def final(self) -> bytes:
        """Returns the whole `chat.completion` object as JSON; the error object when the answer failed."""
        if self.error is not None:
            return _encode({"error": self.error.to_dict()})
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": {"content": self._logprobs, "refusal": None} if self._logprobs else None,
            "finish_reason": finish_reason(self.finish or "stop", calls=bool(self._calls)),
        }
        head = self._head
        completion: dict[str, Any] = {
            "id": head["id"],
            "object": "chat.completion",
            "created": head["created"],
            "model": head["model"],
            "choices": [choice],
        }
        if self.usage is not None:
            completion["usage"] = usage_object(self.usage)
        if self.service_tier:
            completion["service_tier"] = self.service_tier
        return edited(_encode(completion), self._changed) if self._changed else _encode(completion)

    def _message(self) -> dict[str, Any]:
        """Returns the message of the whole object; what the answer did not hold is null or left out."""
        text = "".join(self._text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or (None if self._calls or self._refusal else ""),
            "refusal": "".join(self._refusal) or None,
        }
        if self._reasoning and self._show_reasoning:
            message[self._reasoning_field] = "".join(self._reasoning)
        message.update(self._details)
        if self._calls:
            message["tool_calls"] = [call.to_dict() for call in self._calls.values()]
        if self._annotations:
            message["annotations"] = self._annotations
        if self._images:
            message[FIELD] = self._images
        return message

    def _rare(self, event: Event) -> bytes:
        """Returns the bytes of an event that comes at most a few times an answer."""
        if type(event) is ToolCallStart:
            return self._start_call(event)
        if type(event) is Refusal:
            self._refusal.append(event.text)
            return self._delta({"refusal": event.text})
        if type(event) is Annotation:
            self._annotations.append(annotation_object(self._shifted(event.annotation)))
        elif type(event) is OutputItem:
            image = image_object(event.item, len(self._images))
            if image is not None:
                self._images.append(image)
                return self._delta({FIELD: [image]})
        elif type(event) is MessageStart:
            self._between = bool(self._text)
        elif type(event) is ReasoningState:
            return self._state(event.state)
        elif type(event) is Usage:
            self.usage = event
        elif type(event) is Finish:
            return self._end(event)
        elif type(event) is UpstreamFailed:
            return self.fail(event.error)
        return b""

    def _paragraph(self) -> bytes:
        """Begins the paragraph of another message, now that it has text."""
        self._between = False
        self._text.append(_PARAGRAPH)
        self._inserted += len(_PARAGRAPH)
        return self._content_prefix + _encode(_PARAGRAPH) + self._suffix

    def _shifted(self, annotation: dict[str, Any]) -> dict[str, Any]:
        """Returns an annotation with its offsets in the text as it is shown."""
        if not self._inserted:
            return annotation
        places = {name: annotation.get(name) for name in ("start_index", "end_index")}
        moved = {name: place + self._inserted for name, place in places.items() if isinstance(place, int)}
        return {**annotation, **moved}

    def _with_logprobs(self, event: TextDelta) -> bytes:
        logprobs = event.logprobs or []
        self._logprobs.extend(logprobs)
        return self._delta({"content": event.text}, {"content": logprobs, "refusal": None})

    def _start_call(self, event: ToolCallStart) -> bytes:
        """Shows a new call under the client's name for it, and prepares the bytes around its arguments.

        A call of a tool that the request does not allow is not shown.
        """
        tools, name, freeform, input = self._tools, event.name, event.freeform, None
        if tools is not None:
            if not tools.allows(name):
                return b""
            form = tools.lookup(name)
            if form is not None:
                name = form.name
                if form.kind == "custom" and not freeform:
                    freeform, input = True, FreeformInput(form.input_field)
        index = len(self._calls)
        self._calls[event.key] = made = _Call(event.call_id, name, freeform=freeform, input=input)
        kind, field = ("custom", "input") if freeform else ("function", "arguments")
        prefix = b'{"index":0,"delta":{"tool_calls":[{"index":%d,"%b":{"%b":' % (index, kind.encode(), field.encode())
        made.prefix, made.suffix = self._open + prefix, b"}}]" + self._suffix
        call = {"index": index, "id": event.call_id, "type": kind, kind: {"name": name, field: ""}}
        return self._delta({"tool_calls": [call]})

    def _state(self, state: dict[str, Any]) -> bytes:
        """Passes on the structured thinking that the upstream wants back; the client returns it with its next turn."""
        details = (state if self._show_reasoning else sealed_only(state)).get("details")
        if not isinstance(details, list) or not details:
            return b""
        self._details.setdefault(state["field"], []).extend(details)
        return self._delta({state["field"]: details})

    def _end(self, event: Finish) -> bytes:
        """Ends the answer as the model, a limit or a filter wanted."""
        self.done = True
        self.finish = event.reason
        self.outcome = "completed" if event.reason == "stop" else "incomplete"
        self.service_tier = event.service_tier
        out: list[bytes] = []
        for call in self._calls.values():
            if call.input is not None and (rest := call.input.finish()):
                out.append(call.piece(rest))
            elif not call.arguments and not call.freeform and event.reason == "stop":
                out.append(call.piece("{}"))
        if self._annotations:
            out.append(self._delta({"annotations": self._annotations}))
        out.append(self._delta({}, None, finish_reason(event.reason, calls=bool(self._calls))))
        if self._include_usage and self.usage is not None:
            out.append(self._open + b'],"usage":' + _encode(usage_object(self.usage)) + b"}\n\n")
        out.append(DONE)
        return b"".join(out)

    def _delta(self, delta: dict[str, Any], logprobs: Any = None, finish: str | None = None) -> bytes:
        """Returns one chunk."""
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        tier = b"" if finish is None or self.service_tier is None else b',"service_tier":' + _encode(self.service_tier)
        return self._open + _encode(choice) + b"]" + tier + self._tail


def sealed_only(state: dict[str, Any]) -> dict[str, Any]:
    """Returns the structured thinking of one event without what a chat client could read of it."""
    details = state.get("details")
    if not isinstance(details, list):
        return state
    return {**state, "details": [one for one in details if not _shows_thinking(one)]}


def _shows_thinking(detail: Any) -> bool:
    """Tells whether an entry of structured thinking can be read, and is not sealed alone."""
    return not isinstance(detail, dict) or any(detail.get(name) for name in _READABLE)
