"""What of an answer waits until somebody has said that it may go out. Sans-IO: times come from outside.

Texts wait in pieces, each of one kind; what came between them waits with them, so that the order stays. Of a piece
that may still grow, the last characters wait for a further look together with what follows them, so that nothing is
missed for having been cut in two. Tool calls wait for the end of the answer, and so does all that follows them.

What is no running text waits as one part: an item of a tool that the upstream ran, a citation, the name of a call that
no client has declared.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from ..api.texts import Keys, texts_in, with_text
from ..events import (
    Annotation,
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from .rules import OF_PARTS, Where

_MAX_CONTEXT = 1000

Text = TextDelta | ReasoningDelta | Refusal | ToolCallDelta


class Piece:
    """Text of one kind. Offsets count its characters from where it began, those that are out included."""

    __slots__ = ("checked", "end", "events", "freeform", "kind", "start", "where")

    def __init__(self, where: Where, kind: object) -> None:
        self.where = where
        self.kind = kind
        self.events: list[tuple[Text, float]] = []
        self.start = 0
        self.end = 0
        self.checked = 0
        self.freeform = False

    @property
    def text(self) -> str:
        """What of it waits."""
        return "".join(text_of(event) for event, _ in self.events)

    def add(self, event: Text, now: float) -> None:
        """Takes one more event."""
        self.events.append((event, now))
        self.end += len(text_of(event))

    def put(self, text: str, upto: int) -> None:
        """Puts another text in place of what waits in front of an offset."""
        now = self.events[0][1]
        first = self.events[0][0]
        at, rest = self.start, []
        for event, arrived in self.events:
            at += len(text_of(event))
            if at > upto:
                rest.append((event, arrived))
        after = sum(len(text_of(event)) for event, _ in rest)
        self.events = [(_with_text(first, text), now), *rest] if text else rest
        self.checked = self.start + len(text)
        self.end = self.checked + after

    def take(self, upto: int) -> list[Event]:
        """Removes and returns the events that end in front of an offset."""
        out: list[Event] = []
        while self.events and self.start + (length := len(text_of(self.events[0][0]))) <= upto:
            out.append(self.events.pop(0)[0])
            self.start += length
        return out


class Part:
    """What waits as a whole, with the texts in it; `at` is when it came. It is looked at as text and as arguments."""

    __slots__ = ("_keys", "at", "chars", "checked", "event", "texts")

    def __init__(self, event: Annotation | OutputItem | ToolCallStart, at: float) -> None:
        self.event = event
        self.at = at
        self.checked = False
        found = list(texts_in(_of(event)))
        self._keys: list[Keys] = [keys for keys, _ in found]
        self.texts = tuple(text for _, text in found)
        self.chars = sum(map(len, self.texts))

    def put(self, texts: Sequence[str]) -> bool:
        """Puts other texts in the place of those that are there; False where none can stand there."""
        if isinstance(self.event, ToolCallStart):
            return False
        whole = copy.deepcopy(_of(self.event))
        for keys, before, after in zip(self._keys, self.texts, texts, strict=True):
            if before != after:
                with_text(whole, keys, after)
        self.event = OutputItem(whole) if isinstance(self.event, OutputItem) else Annotation(whole)
        self.texts = tuple(texts)
        return True


class Held:
    """What waits of one answer, in the order of its coming. `wheres` are the kinds of text that are asked about.

    `declared` tells whether a client has declared a tool of a name.
    """

    def __init__(
        self,
        wheres: Collection[Where],
        *,
        window: int,
        to_the_end: bool,
        declared: Callable[[str], bool] | None = None,
    ) -> None:
        self.final: Finish | UpstreamFailed | None = None
        """How the answer has ended, once it has."""
        self.chars = 0
        self._context: dict[Where, str] = {}  # the end of what went out, by place
        self._wheres = frozenset(wheres)
        self._declared = declared
        self._window = window
        self._to_the_end = to_the_end
        self._items: list[Piece | Part | Event] = []
        self._calls: dict[int, Piece | None] = {}
        self._freeform: set[int] = set()
        self._shift = 0  # by how much masks have made the text longer

    def add(self, events: Sequence[Event], now: float) -> list[Event]:
        """Takes events; returns those that need not wait."""
        out: list[Event] = []
        for event in events:
            if isinstance(event, (Finish, UpstreamFailed)):
                self.final = event
                if isinstance(event, UpstreamFailed):
                    self._drop_calls()
            elif isinstance(event, Usage) or not self._waits(event, now):
                out.append(self._moved(event))
        return out

    def _moved(self, event: Event) -> Event:
        """Returns an annotation whose places are those in the text as it goes out; any other event as it is."""
        if not self._shift or not isinstance(event, Annotation):
            return event
        places = {name: event.annotation.get(name) for name in ("start_index", "end_index")}
        moved = {name: max(0, place + self._shift) for name, place in places.items() if isinstance(place, int)}
        return Annotation({**event.annotation, **moved})

    def _waits(self, event: Event, now: float) -> bool:
        where = where_of(event)
        if isinstance(event, ToolCallStart) and "arguments" in self._wheres:
            self._calls[event.key] = None
            if event.freeform:
                self._freeform.add(event.key)
            self._items.append(self._part(event, now) or event)
        elif isinstance(event, ToolCallDelta) and event.key in self._calls:
            self._piece_of_call(event.key).add(event, now)
            self.chars += len(event.arguments)
        elif where in self._wheres and isinstance(event, (TextDelta, ReasoningDelta, Refusal)):
            kind = (type(event), isinstance(event, ReasoningDelta) and event.summary)
            last = self._items[-1] if self._items else None
            if not isinstance(last, Piece) or last.kind != kind:
                last = Piece(where, kind)
                self._items.append(last)
            last.add(event, now)
            self.chars += len(event.text)
        elif (part := self._part(event, now)) is not None:
            self._items.append(part)
        elif self._items:
            self._items.append(event)
        else:
            return False
        return True

    def _part(self, event: Event, now: float) -> Part | None:
        """Returns what is asked about as a whole, if an event brings that."""
        if not (isinstance(event, (Annotation, OutputItem, ToolCallStart)) and place_of_parts(self._wheres)):
            return None
        if isinstance(event, ToolCallStart) and self._declared is not None and self._declared(event.name):
            return None
        part = Part(event, now)
        if not part.texts:
            return None
        self.chars += part.chars
        return part

    def _piece_of_call(self, key: int) -> Piece:
        piece = self._calls[key]
        if piece is None:
            piece = self._calls[key] = Piece("arguments", key)
            piece.freeform = key in self._freeform
            self._items.append(piece)
        return piece

    def _drop_calls(self) -> None:
        """Drops calls of an answer that failed: nobody knows what they would have been."""
        calls = [piece for piece in self._calls.values() if piece is not None]
        self._items = [item for item in self._items if not _is_call(item) and item not in calls]

    def unchecked(self) -> list[Piece]:
        """Returns the pieces that somebody has to be asked about now."""
        if self._to_the_end and self.final is None:
            return []
        return [
            item
            for item in self._items
            if isinstance(item, Piece) and item.checked < item.end and (item.where != "arguments" or self.final)
        ]

    def unchecked_parts(self) -> list[Part]:
        """Returns the parts that somebody has to be asked about now."""
        if self._to_the_end and self.final is None:
            return []
        return [item for item in self._items if isinstance(item, Part) and not item.checked]

    def ready(self, released_until: float | None = None) -> list[Event]:
        """Returns what may go out: what was checked, and texts that came until some time, checked or not."""
        out: list[Event] = []
        while self._items:
            item = self._items[0]
            if isinstance(item, Piece):
                self._let_go(item, released_until, out)
                if item.events:
                    break
            elif self._calls and _is_call(item) and not self._calls_are_checked():
                break
            elif isinstance(item, Part):
                if not item.checked and (released_until is None or item.at > released_until):
                    break
                self.chars -= item.chars
                out.append(self._moved(item.event))
            else:
                out.append(self._moved(item))
            del self._items[0]
        return out

    def mask(self, piece: Piece, text: str, upto: int) -> None:
        """Puts another text in place of what of a piece waits in front of an offset."""
        if piece.where == "output":
            self._shift += len(text) - (upto - piece.start)
        self.chars += len(text) - (upto - piece.start)
        piece.put(text, upto)

    def _calls_are_checked(self) -> bool:
        pieces = [piece for piece in self._calls.values() if piece is not None]
        return self.final is not None and all(piece.checked == piece.end for piece in pieces)

    def _let_go(self, piece: Piece, released_until: float | None, out: list[Event]) -> None:
        whole = piece.checked == piece.end and (len(self._items) > 1 or self.final is not None)
        if piece.where == "arguments":
            upto = piece.end if whole and self._calls_are_checked() else piece.start
        else:
            upto = piece.end if whole else piece.checked - self._window
            if self._to_the_end and self.final is None:
                upto = piece.start
            if released_until is not None:
                upto = max(upto, piece.start + sum(len(text_of(event)) for event in _came(piece, released_until)))
        gone = piece.take(upto)
        self.chars -= sum(len(text_of(event)) for event in gone if isinstance(event, Text))
        if gone:
            said = "".join(text_of(event) for event in gone if isinstance(event, Text))
            self._context[piece.where] = (self._context.get(piece.where, "") + said)[-_MAX_CONTEXT:]
        out += gone

    def oldest(self) -> float | None:
        """Returns when the text came that has waited longest and could be let go; None when there is none."""
        for item in self._items:
            if isinstance(item, Piece):
                return item.events[0][1] if item.where != "arguments" and item.events else None
            if _is_call(item) and self._calls:
                return None
            if isinstance(item, Part):
                return item.at
        return None

    def before(self, piece: Piece) -> str:
        """Returns the end of the text of the same place that stands in front of a piece, out or waiting."""
        said = self._context.get(piece.where, "")
        for item in self._items:
            if item is piece:
                break
            if isinstance(item, Piece) and item.where == piece.where:
                said += item.text
        return said[-_MAX_CONTEXT:]

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._items


def _is_call(item: Piece | Part | Event) -> bool:
    """Tells whether a call begins here."""
    return isinstance(item.event if isinstance(item, Part) else item, ToolCallStart)


def place_of_parts(wheres: Collection[Where]) -> Where | None:
    """Returns as what parts are looked at by somebody who looks at these places, if they are."""
    return next((where for where in OF_PARTS if where in wheres), None)


def _of(event: Annotation | OutputItem | ToolCallStart) -> Any:
    """Returns what texts are looked for in."""
    if isinstance(event, ToolCallStart):
        return event.name
    return event.item if isinstance(event, OutputItem) else event.annotation


def parts_of(event: Event) -> list[str]:
    """Returns the texts of an event that brings no running text: of an item, a citation, the name of a call."""
    whole = _of(event) if isinstance(event, (Annotation, OutputItem, ToolCallStart)) else None
    return [text for _, text in texts_in(whole)]


def _came(piece: Piece, until: float) -> Iterator[Text]:
    for event, arrived in piece.events:
        if arrived > until:
            return
        yield event


def where_of(event: Event) -> Where | None:
    """Returns what kind of text an event brings; None for events that bring none."""
    if isinstance(event, (TextDelta, Refusal)):
        return "output"
    if isinstance(event, ReasoningDelta):
        return "reasoning"
    return "arguments" if isinstance(event, ToolCallDelta) else None


def text_of(event: Text) -> str:
    """Returns the text that an event brings."""
    return event.arguments if isinstance(event, ToolCallDelta) else event.text


def _with_text(event: Text, text: str) -> Text:
    if isinstance(event, ToolCallDelta):
        return ToolCallDelta(event.key, text)
    if isinstance(event, ReasoningDelta):
        return ReasoningDelta(text, summary=event.summary)
    return type(event)(text)
