"""Screens a whole answer: each kind of text in its neutral events, and the arguments of tool calls.

Each kind of text is one text to the screen, however many pieces of other kinds stand between its own. When the kind
changes, what was held back is let go, so that the order stays; but the search goes on where it was, and a word whose
first half is out never gets its second.

Where arguments are screened, a call and all that follows it waits for the end of the answer: arguments are let
through whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ExchangeError
from ..events import (
    Annotation,
    Event,
    Finish,
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
from .arguments import ArgumentsScreen
from .screen import Matcher, Screen

WITHHELD = "The upstream failed. What it said of that is withheld by a content rule."
"""The message of an error whose own message may not go out."""

_Delta = TextDelta | ReasoningDelta | Refusal
_Kind = tuple[type[Event], bool]

_TEXT: _Kind = (TextDelta, False)
_AGAIN: dict[_Kind, Callable[[str], Event]] = {
    (TextDelta, False): TextDelta,
    (Refusal, False): Refusal,
    (ReasoningDelta, False): ReasoningDelta,
    (ReasoningDelta, True): lambda text: ReasoningDelta(text, summary=True),
}


class AnswerScreen:
    """One answer on its way out. A matcher looks at the text of an answer, at its reasoning, at tools' arguments.

    `state` makes what may go out of the state of reasoning, in which the same thoughts may stand once more. `declared`
    tells whether a tool has a name because the client gave it: any other is the model's words, looked at as its text
    and as arguments, and where something is found in it the answer ends, since a name cannot be masked.
    `found` are pairs of a rule and what it was found in; `blocked` tells that the answer was ended by one.
    """

    def __init__(
        self,
        text: Matcher | None,
        reasoning: Matcher | None,
        arguments: Matcher | None,
        state: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        declared: Callable[[str], bool] | None = None,
    ) -> None:
        self._state = state
        self._declared = declared
        self.blocked = False
        self.quick: Screen | None = None
        """The screen of the visible text, while that is what is coming."""
        self.found: list[tuple[int, str]] = []
        self._text = text if text else None
        self._reasoning = reasoning if reasoning else None
        self._arguments = arguments if arguments else None
        self._in_items = self._arguments  # items of tools that the upstream ran wait for nothing
        self._flagged: set[tuple[int, str]] = set()
        self._screens: dict[_Kind, Screen] = {}
        self._last: _Kind | None = None  # the kind of text that came last: no other holds anything back
        self._late: list[tuple[int, Annotation]] = []  # annotations of text that is held back
        self._waiting: list[Event] | None = None  # the first tool call and what came after it
        self._noted: dict[int, list[str]] = {}  # arguments that wait for nothing: what they hold is only noted

    @property
    def holding(self) -> tuple[int, int] | None:
        """How long the text that came last is, and how much of it is decided; None while none is held back."""
        screen = self._screens.get(self._last) if self._last is not None else None
        return (screen.end, screen.released) if screen is not None and screen.end > screen.released else None

    def let_go(self) -> list[Event]:
        """Returns the text that is held back, as if it ended here; the search goes on where it was."""
        out: list[Event] = []
        if not self.blocked:
            self._settle(out)
            if self.blocked:
                self._end(out, ())
        return out

    def again(self, text: str, where: str, *, freeform: bool = False) -> str | None:
        """Returns, with masks, a text that others have put in the place of one that was let through; None to block."""
        matcher = {"output": self._text, "reasoning": self._reasoning, "arguments": self._in_items}[where]
        if matcher is None:
            return text
        if where == "arguments":
            call = ArgumentsScreen(matcher)
            text, found, blocked = call.screen(text, freeform=freeform), call.found, call.blocked
        else:
            text, screen = matcher.whole(text)
            found, blocked = screen.masked, screen.blocked
        self._note(sorted(found if blocked is None else {*found, blocked}), where)
        return text if blocked is None else None

    def flagged(self) -> list[tuple[int, str]]:
        """Returns the rules of which something was found that is only noted, each with what it was found in."""
        found = self._flagged | {
            (rule, "reasoning" if kind[0] is ReasoningDelta else "output")
            for kind, screen in self._screens.items()
            for rule in screen.flagged
        }
        if self._arguments is not None:
            for pieces in self._noted.values():
                screen = ArgumentsScreen(self._arguments)
                screen.screen("".join(pieces))
                found |= {(rule, "arguments") for rule in screen.flagged}
        return sorted(found)

    def take(self, events: Sequence[Event]) -> list[Event]:
        """Returns what may go out for a batch of events. After a match that blocks it ends with Finish. Hot: a read."""
        quick = self.quick
        if quick is not None and len(events) == 1 and type(event := events[0]) is TextDelta:
            text = quick.feed(event.text)
            if text is event.text:
                return [event] if event.logprobs is None else [self._without_others(event)]
            out: list[Event] = []
            if quick.found or self._late:
                self._let_go(text, _TEXT, quick, out)
                if self.blocked:
                    self._end(out, events)
            elif text:
                out.append(TextDelta(text))
            return out
        out = []
        if self.blocked:
            return out
        if self._last is None and self._waiting is None and events and self._is_clean(events):
            return [*events]
        for event in events:
            if type(event) is TextDelta and self._text is not None and self._waiting is None:
                self._pass_text(event, (TextDelta, False), self._text, out)
            else:
                self._pass(event, out)
            if self.blocked:
                self._end(out, events)
                break
        return out

    def is_clean(self, text: str) -> bool:
        """Tells whether nothing is found in a whole text; nothing has gone through the screen before."""
        return self._text is None or self._text.clean(text)

    def error(self, error: ExchangeError) -> None:
        """Searches what an upstream says of its failure as the text of an answer: masks it, or withholds it whole."""
        if self._text is None:
            return
        message, screen = self._text.whole(error.message)
        if screen.blocked is not None:
            message = WITHHELD
            self._note([screen.blocked], "output")
        for name in ("code", "param"):
            said = getattr(error, name)
            if said and self._text.whole(said)[1].found:
                setattr(error, name, None)
        self._flagged |= {(rule, "output") for rule in screen.flagged}
        self._note(sorted(screen.masked), "output")
        if screen.found:
            reword(error, message)

    def _is_clean(self, events: Sequence[Event]) -> bool:
        """Tells whether these are a whole answer in which nothing is found, as far as that is known quickly."""
        if type(events[-1]) is not Finish:
            return False
        texts: dict[_Kind, list[str]] = {}
        for event in events:
            kind = type(event)
            if isinstance(event, (TextDelta, ReasoningDelta)):
                if isinstance(event, TextDelta) and event.logprobs is not None:
                    return False
                texts.setdefault((kind, isinstance(event, ReasoningDelta) and event.summary), []).append(event.text)
            elif kind not in (Usage, Finish, MessageStart):
                return False
        for (kind, _), pieces in texts.items():
            matcher = self._text if kind is TextDelta else self._reasoning
            if matcher is not None and not matcher.clean("".join(pieces)):
                return False
        return True

    def _pass(self, event: Event, out: list[Event]) -> None:
        if isinstance(event, Usage):
            out.append(event)
        elif isinstance(event, (Finish, UpstreamFailed)):
            if isinstance(event, UpstreamFailed):
                self.error(event.error)
            self._release(out, failed=isinstance(event, UpstreamFailed))
            if not self.blocked:
                self._settle(out)
            if not self.blocked:
                out.append(event)
        elif self._waiting is not None:
            if isinstance(event, ToolCallStart):
                self._search_name(event.name)
            self._waiting.append(event)
        elif isinstance(event, (TextDelta, Refusal, ReasoningDelta)):
            matcher = self._reasoning if isinstance(event, ReasoningDelta) else self._text
            self._pass_text(event, (type(event), isinstance(event, ReasoningDelta) and event.summary), matcher, out)
        elif isinstance(event, Annotation):
            self._pass_annotation(event, out)
        else:
            self._settle(out)
            if not self.blocked:
                self._pass_other(event, out)

    def _pass_other(self, event: Event, out: list[Event]) -> None:
        """Passes on what is no text of an answer."""
        if isinstance(event, ReasoningState) and self._state is not None:
            event = ReasoningState(self._state(event.state))
        elif isinstance(event, OutputItem):
            item = self._searched(event.item, "output", self._text)
            event = OutputItem(self._searched(item, "arguments", self._in_items))
        elif isinstance(event, ToolCallStart):
            self._search_name(event.name)
            if self._arguments is not None and self._arguments.searches and not self.blocked:
                self._waiting = [event]
                self.quick = None
                return
        elif self._arguments is not None and isinstance(event, ToolCallDelta):
            self._noted.setdefault(event.key, []).append(event.arguments)
        if not self.blocked:
            out.append(event)

    def _search_name(self, name: str) -> None:
        """Ends the answer at the call of a tool that nobody has declared, and in whose name something is found."""
        for matcher, where in ((self._text, "output"), (self._in_items, "arguments")):
            if matcher is None or self.blocked or matcher.clean(name):
                continue
            if self._declared is not None and self._declared(name):
                return
            screen = ArgumentsScreen(matcher)
            screen.screen(name, freeform=True)
            self._flagged |= {(rule, where) for rule in screen.flagged}
            self._note(sorted(screen.found), where)
            if screen.found:
                self.blocked = True
                self.quick = None

    def _pass_text(self, event: _Delta, kind: _Kind, matcher: Matcher | None, out: list[Event]) -> None:
        """Hot: once an event."""
        if kind != self._last:
            self.quick = None
            self._settle(out)
            self._last = kind
            if self.blocked:
                return
        if matcher is None:
            out.append(event)
            if kind[0] is TextDelta:
                self.quick = Screen((), ())
            return
        screen = self._screens.get(kind)
        if screen is None:
            screen = self._screens[kind] = matcher.screen()
        if kind[0] is TextDelta:
            self.quick = screen
        text = screen.feed(event.text)
        if text is not event.text:
            self._let_go(text, kind, screen, out)
        elif isinstance(event, TextDelta) and event.logprobs is not None:
            out.append(self._without_others(event))
        else:
            out.append(event)

    def _without_others(self, event: TextDelta) -> TextDelta:
        """Returns a piece of text without log probabilities that tell of what may not go out."""
        if self._text is None:
            return event
        told = event.logprobs or []
        tokens = [str(entry.get("token")) for entry in told]
        for entry in told:
            tokens += [str(other.get("token")) for other in entry.get("top_logprobs") or ()]
        clean = not any(self._text.whole(token)[1].found for token in tokens)
        return event if clean else TextDelta(event.text)

    def _settle(self, out: list[Event]) -> None:
        """Lets go what is held back of the text that came last."""
        kind = self._last
        screen = self._screens.get(kind) if kind is not None else None
        if kind is not None and screen is not None:
            self._let_go(screen.settle(), kind, screen, out)

    def _let_go(self, text: str, kind: _Kind, screen: Screen, out: list[Event]) -> None:
        """Passes on text that was held back or changed: without log probabilities, which would tell what it was."""
        if text:
            out.append(_AGAIN[kind](text))
        where = "reasoning" if kind[0] is ReasoningDelta else "output"
        if screen.masked or screen.blocked is not None:
            self._note(sorted(screen.masked), where)
        if screen.blocked is not None:
            self._note([screen.blocked], where)
            self.blocked = True
            self.quick = None
            return
        while self._late and kind[0] is TextDelta and self._late[0][0] <= screen.released:
            out.append(_moved(self._late.pop(0)[1], screen))

    def _searched(self, part: dict[str, Any], where: str, matcher: Matcher | None) -> dict[str, Any]:
        """Returns an output item, or a citation, with masks in its texts: the same one if nothing was found."""
        if matcher is None or self.blocked:
            return part
        screen = ArgumentsScreen(matcher)
        masked: dict[str, Any] = screen.item(part)
        self._flagged |= {(rule, where) for rule in screen.flagged}
        self._note(sorted(screen.found), where)
        if screen.blocked is not None:
            self.blocked = True
            self.quick = None
        return masked if screen.found else part

    def _pass_annotation(self, event: Annotation, out: list[Event]) -> None:
        annotation = self._searched(event.annotation, "output", self._text)
        annotation = self._searched(annotation, "arguments", self._in_items)
        if self.blocked:
            return
        if annotation is not event.annotation:
            event = Annotation(annotation)
        screen = self._screens.get((TextDelta, False))
        if screen is None:
            out.append(event)
        elif screen.holding:
            self._late.append((screen.end, event))
        else:
            out.append(_moved(event, screen))

    def _release(self, out: list[Event], *, failed: bool) -> None:
        """Lets go the tool calls, and what came after the first of them; in a failed answer they are not complete."""
        waiting, self._waiting = self._waiting or [], None
        calls = {} if failed else self._calls(waiting)
        if self.blocked:
            return
        keep, self._arguments = self._arguments, None
        for event in waiting:
            if isinstance(event, ToolCallStart) and event.key in calls:
                self._pass(event, out)
                if calls[event.key]:
                    out.append(ToolCallDelta(event.key, calls[event.key]))
            elif not isinstance(event, (ToolCallStart, ToolCallDelta)):
                self._pass(event, out)
            if self.blocked:
                break
        self._arguments = keep

    def _calls(self, waiting: list[Event]) -> dict[int, str]:
        """Returns the screened arguments of all calls by their key."""
        assert self._arguments is not None or not waiting
        freeform = {event.key: event.freeform for event in waiting if isinstance(event, ToolCallStart)}
        pieces: dict[int, list[str]] = {key: [] for key in freeform}
        for event in waiting:
            if isinstance(event, ToolCallDelta):
                pieces[event.key].append(event.arguments)
        calls: dict[int, str] = {}
        for key, parts in pieces.items():
            assert self._arguments is not None
            screen = ArgumentsScreen(self._arguments)
            calls[key] = screen.screen("".join(parts), freeform=freeform[key])
            self._note(sorted(screen.found), "arguments")
            self._noted[key] = parts
            self.blocked = self.blocked or screen.blocked is not None
        return calls

    def _note(self, rules: Sequence[int], where: str) -> None:
        self.found += [(rule, where) for rule in rules if (rule, where) not in self.found]

    def _end(self, out: list[Event], events: Sequence[Event]) -> None:
        """Ends the answer; what the rest of the batch says of usage is still true."""
        usage = [event for event in events if isinstance(event, Usage) and event not in out]
        tier = next((event.service_tier for event in events if isinstance(event, Finish)), None)
        out += [*usage[-1:], Finish("content_filter", tier)]
        self._waiting = None
        self._late.clear()


def reword(error: ExchangeError, message: str) -> None:
    """Gives an error other words."""
    error.message = message
    error.args = (message,)


def _moved(event: Annotation, screen: Screen) -> Annotation:
    """Returns an annotation whose places are those in the text that went out."""
    if not screen.edits:
        return event
    places = {name: event.annotation.get(name) for name in ("start_index", "end_index")}
    moved = {name: screen.moved(place) for name, place in places.items() if isinstance(place, int)}
    return Annotation({**event.annotation, **moved})
