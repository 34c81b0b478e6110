"""Turns the deltas of one chat message into neutral events, in the order in which models produce.

Within one chunk that is reasoning, refusal, text, images, tool calls (wire reference, section 5.2). White space in
front of text waits until it is known that no tool call follows; log probabilities and citations wait for their text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...api.chat.images import image_items
from ...events import Annotation, Event, OutputItem, Refusal, TextDelta
from .calls import ToolCalls
from .chunk import Delta, Logprobs
from .citations import from_annotation
from .logprobs import logprob_entries
from .reasoning import Reasoning
from .think import ThinkSplitter

_MAX_LEAD = 1024  # characters of white space that wait; an endless run of it is shown

_NO_CALLS = ToolCalls(str)
"""What answers without calls have in common; it is given none."""


class Message(msgspec.Struct, eq=False):
    """Takes the deltas of the first answer. `said` is True once there was something for the client in them."""

    _think: ThinkSplitter | None
    _make_call_id: Callable[[], str]
    _split_names: bool = False
    said: bool = False
    calls: ToolCalls = _NO_CALLS  # until there is one
    _reasoning: Reasoning = msgspec.field(default_factory=Reasoning)
    _in_text: bool = False  # text was the last thing said: white space belongs to it
    _lead: list[str] = []  # white space that may be the beginning of text
    _logprobs: list[dict[str, Any]] = []  # of text that is still held
    _annotations: list[dict[str, Any]] = []  # that came before their text
    # addresses that have an annotation, hashes of images that were shown; an empty set takes three times the memory
    _cited: dict[str, None] = {}
    _images: dict[int, None] = {}

    @property
    def plain(self) -> bool:
        """Whether another piece of text would be a TextDelta and nothing else."""
        return self._in_text and self._think is None and not self._logprobs

    @property
    def steady(self) -> bool:
        """Whether nothing is held back, so that more of what came last gives the same event once more."""
        return self._think is None and not self._logprobs

    def take(self, delta: Delta, logprobs: Logprobs | None, events: list[Event]) -> None:
        """Takes what one chunk adds. Hot: once a chunk."""
        content = delta.content
        if (
            delta.reasoning_content
            or delta.reasoning
            or delta.reasoning_details
            or delta.thinking
            or delta.thinking_blocks
        ):
            self._take_reasoning(delta, events)
            if not content:
                logprobs = None  # they are the thinking's
        if logprobs is not None and logprobs.content:
            self._logprobs += logprob_entries(logprobs.content)
        if delta.refusal:
            self._take_refusal(delta.refusal, events)
        if content:
            if self._in_text and self._think is None and not self._logprobs and type(content) is str:
                events.append(TextDelta(content))
            else:
                self._take_content(content, events)
        if delta.annotations:
            self._take_annotations(delta.annotations, events)
        if delta.images:
            self._take_images(delta.images, events)
        if delta.tool_calls or delta.function_call is not None:
            self._take_calls(delta, events)
        if delta.audio is not None and isinstance(delta.audio, dict) and (said := delta.audio.get("transcript")):
            self._take_content(said, events)

    def take_whole(self, message: Delta, logprobs: Logprobs | None, events: list[Event]) -> None:
        """Takes the message of a non-streamed answer: a refusal stands behind its text, each entry is a call."""
        for position, call in enumerate(message.tool_calls or ()):
            call.index = position
        rest = Delta(refusal=message.refusal, tool_calls=message.tool_calls, function_call=message.function_call)
        message.refusal = message.tool_calls = message.function_call = None
        self.take(message, logprobs, events)
        self.take(rest, None, events)

    def cite(self, annotations: list[dict[str, Any]], events: list[Event]) -> None:
        """Adds citations of the whole answer to its text, those that it has not got yet."""
        for annotation in annotations:
            if self._in_text and annotation["url"] not in self._cited:
                self._cited[annotation["url"]] = None
                events.append(Annotation(annotation))

    def flush(self, events: list[Event]) -> None:
        """Says that nothing follows; returns text that could have been a tag, and calls whose name was not sure."""
        if self._think is not None:
            self._split(self._think.flush(), events)
        self.calls.flush(events)

    def release_lead(self, events: list[Event]) -> None:
        """Shows white space that turned out to be the whole text; behind a tool call it is none."""
        if self._lead and not self.calls.seen:
            self._say("", events)

    def _take_reasoning(self, delta: Delta, events: list[Event]) -> None:
        before = len(events)
        self._reasoning.take(delta, events)
        if len(events) > before:
            self._in_text = False
            self.said = True

    def _take_refusal(self, text: str, events: list[Event]) -> None:
        events.append(Refusal(self._begin_text() + text))

    def _take_content(self, content: Any, events: list[Event]) -> None:
        """Takes a text, or a list of typed parts (Mistral)."""
        if isinstance(content, str):
            if self._think is None:
                self._text(content, events)
            else:
                self._split(self._think.feed(content), events)
        elif isinstance(content, list):
            for part in content:
                if isinstance(part, dict):
                    self._take_part(part, events)

    def _take_part(self, part: dict[str, Any], events: list[Event]) -> None:
        if part.get("type") == "thinking":
            thinking = part.get("thinking")
            inner = thinking if isinstance(thinking, list) else [{"text": thinking}]
            text = "".join(one["text"] for one in inner if isinstance(one, dict) and isinstance(one.get("text"), str))
            if text:
                self._thought(text, "content", events)
        elif isinstance(part.get("text"), str) and part["text"]:
            self._text(part["text"], events)

    def _split(self, pieces: list[tuple[bool, str]], events: list[Event]) -> None:
        for thinking, text in pieces:
            if thinking:
                self._thought(text, "think_tags", events)
            else:
                self._text(text, events)
        if self._think is not None and self._think.over:
            self._think = None

    def _thought(self, text: str, field: str, events: list[Event]) -> None:
        self._in_text = False
        self.said = True
        self._logprobs = []
        self._reasoning.text(text, events, field=field)

    def _text(self, text: str, events: list[Event]) -> None:
        """Takes a piece of visible text."""
        if not self._in_text and text.isspace() and sum(map(len, self._lead)) < _MAX_LEAD:
            self._lead.append(text)
        else:
            self._say(text, events)

    def _say(self, text: str, events: list[Event]) -> None:
        """Shows text, with all that has waited for it."""
        if not self._in_text:
            text = self._begin_text() + text
        logprobs, self._logprobs = self._logprobs, []
        events.append(TextDelta(text, logprobs or None))
        if self._annotations:
            events.extend(map(Annotation, self._annotations))
            self._annotations = []

    def _begin_text(self) -> str:
        """Notes that text begins; returns the white space in front of it."""
        self._in_text = self.said = True
        self._reasoning.close()
        lead = "".join(self._lead)
        self._lead.clear()
        return lead

    def _take_annotations(self, entries: list[dict[str, Any]], events: list[Event]) -> None:
        for entry in entries:
            if (annotation := from_annotation(entry)) is None:
                continue
            self._cited[annotation["url"]] = None
            if self._in_text:
                events.append(Annotation(annotation))
            else:
                self._annotations.append(annotation)

    def _take_images(self, images: Any, events: list[Event]) -> None:
        """Takes images that gateways send beside the text (OpenRouter); some of them send all that there are so far."""
        if self._think is not None:
            self._split(self._think.flush(), events)
        for item in image_items(images):
            if (known := hash(item["result"])) not in self._images:
                self._images[known] = None
                self._in_text = False
                self.said = True
                self._reasoning.close()
                events.append(OutputItem(item))

    def _take_calls(self, delta: Delta, events: list[Event]) -> None:
        """Takes tool calls. Hot: once a chunk of arguments."""
        if self._think is not None:
            self._split(self._think.flush(), events)
        if self.calls is _NO_CALLS:
            self.calls = ToolCalls(self._make_call_id, split_names=self._split_names)
        for piece in delta.tool_calls or ():
            self.calls.take(piece, events)
        if delta.function_call is not None:
            self.calls.take_legacy(delta.function_call, events)
        if self.calls.seen:
            self._in_text = False
            self.said = True
            self._lead.clear()
            self._logprobs.clear()
            self._reasoning.close()
