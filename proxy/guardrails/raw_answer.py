"""Searches the texts of an answer that is passed on as it is: legacy completions, transcriptions. Sans-IO.

An answer that is not streamed waits until it is whole. Of a stream's texts only what may become a match waits, each
choice for itself; what a text ends with is what the rules have left of it, and a choice in which one blocks ends there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..api.texts import texts_in, with_text
from ..errors import UpstreamGarbled
from ..matching import Matcher, Screen
from ..sse.parser import SseParser

_DONE = b"[DONE]"
_LOGPROBS = "logprobs"
TOLD_AGAIN = (_LOGPROBS, "segments", "words", "tokens")
"""Fields in which the same text stands once more, in pieces."""


class RawAnswer:
    """One answer on its way. `found` are the rules that masked or blocked, `flagged` those that only note.

    Once it is `done`, nothing more goes out, whatever comes.
    """

    def __init__(self, matcher: Matcher, content_type: str) -> None:
        self.done = False
        self.found: set[int] = set()
        self.flagged: set[int] = set()
        self._matcher = matcher
        self._parser = SseParser() if content_type.startswith("text/event-stream") else None
        self._body = bytearray()
        self._ended = False  # by a rule
        self._texts: dict[int, _Text] = {}

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; returns what may go out for them. Raises UpstreamGarbled for a stream that is none."""
        if self.done:
            return b""
        if self._parser is None:
            self._body += data
            return b""
        return self._events(self._parser.feed(data))

    def finish(self) -> bytes:
        """Says that the answer has ended; returns the rest."""
        if self.done:
            return b""
        if self._parser is not None:
            return self._events(self._parser.finish()) + self._rest()
        self.done = True
        return self._whole(bytes(self._body))

    # --- not streamed

    def _whole(self, body: bytes) -> bytes:
        try:
            value = msgspec.json.decode(body)
            if isinstance(value, (dict, list)):
                return msgspec.json.encode(value) if self._clean(value) else body
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        text = body.decode(errors="replace")
        left = self._search(text)
        return body if left == text else left.encode()

    def _clean(self, value: Any, *, free: bool = False) -> bool:
        """Searches all texts in a value and puts in their place what may go out; tells whether it has changed any.

        `free` says that names of fields are texts, as in logprobs, where tokens that were not chosen are names.
        """
        changed = False
        for keys, text in list(texts_in(value, free=free)):
            left = self._search(text)
            if left == text:
                continue
            changed = True
            try:
                with_text(value, keys, left)
            except (KeyError, IndexError, TypeError):
                continue  # it stood in what was taken out meanwhile
            if len(keys) == 3 and keys[0] == "choices":
                without_pieces(value["choices"][keys[1]])
            elif keys == ("text",):
                without_pieces(value)
        choices = value.get("choices") if isinstance(value, dict) else None
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                changed = self._clean(choice.get(_LOGPROBS), free=True) or changed
                if changed and self._ended:
                    choice["finish_reason"] = "content_filter"
        return changed

    def _search(self, text: str) -> str:
        left, screen = self._matcher.whole(text)
        self._note(screen)
        return left

    def _note(self, screen: Screen) -> None:
        self.found |= screen.masked
        self.flagged |= screen.flagged
        if screen.blocked is not None:
            self.found.add(screen.blocked)
            self._ended = True

    # --- streamed

    def _events(self, payloads: list[tuple[bytes, bytes]]) -> bytes:
        out = []
        for name, data in payloads:
            if self.done:
                break
            if data == _DONE:
                out += [self._rest(), framed(b"", _DONE)]
            else:
                out.append(self._event(name, data))
        return b"".join(out)

    def _event(self, name: bytes, data: bytes) -> bytes:
        try:
            chunk = msgspec.json.decode(data)
            if not isinstance(chunk, dict):
                return b""
            self._clean_beside(chunk, "choices")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamGarbled("The upstream sent an event that is no JSON.") from None
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices:
            chunk["choices"] = [one for one in choices if isinstance(one, dict) and self._choice(chunk, one)]
            if not chunk["choices"]:
                return self._over()
        elif isinstance(chunk.get("delta"), str):
            if not self._piece(chunk, chunk, 0, "delta"):
                return self._over()
        else:
            self._clean(chunk)
        return framed(name, msgspec.json.encode(chunk)) + self._over()

    def _choice(self, chunk: dict[str, Any], choice: dict[str, Any]) -> bool:
        """Puts into a choice what may go out of its text; False when nothing of it may."""
        index = choice.get("index")
        at = index if isinstance(index, int) else 0
        if not self._piece(chunk, choice, at, "text"):
            return False
        self._clean_beside(choice)
        text = self._texts[at]
        if choice.get("finish_reason") is not None and text.screen.blocked is None:
            choice["text"] += text.screen.settle()
            self._note(text.screen)
        if text.screen.blocked is not None:
            choice["finish_reason"] = "content_filter"
        return True

    def _clean_beside(self, holder: dict[str, Any], *names: str) -> None:
        """Searches what else is said in an event, each part as a whole: what stands below its other fields."""
        for name, part in holder.items():
            if isinstance(part, dict | list) and name not in names:
                self._clean(part, free=name == _LOGPROBS)

    def _piece(self, chunk: dict[str, Any], holder: dict[str, Any], at: int, field: str) -> bool:
        text = self._texts.get(at)
        if text is None:
            text = self._texts[at] = _Text(self._matcher.screen(), field)
        if text.screen.blocked is not None:
            return False
        said = holder.get(field)
        said = said if isinstance(said, str) else ""
        left = holder[field] = text.screen.feed(said)
        self._note(text.screen)
        if left is not said:
            without_pieces(holder)
        text.last = chunk
        return True

    def _over(self) -> bytes:
        """Ends the answer when every text in it has been ended by a rule."""
        if not self._texts or any(text.screen.blocked is None for text in self._texts.values()):
            return b""
        self.done = True
        return framed(b"", _DONE) if any(text.field == "text" for text in self._texts.values()) else b""

    def _rest(self) -> bytes:
        """Returns what is still held back of texts that nobody has ended, each in an event like the one before."""
        out = []
        for at, text in self._texts.items():
            left = text.screen.settle()
            self._note(text.screen)
            if not left:
                continue
            if text.field == "text":
                chunk = {**text.last, "choices": [{"index": at, "text": left, "logprobs": None, "finish_reason": None}]}
            else:
                chunk = {**text.last, text.field: left}
            out.append(framed(b"", msgspec.json.encode(chunk)))
        return b"".join(out)


class _Text:
    """One text of a stream: its screen, the field that its pieces stand in, and the last event that had one."""

    __slots__ = ("field", "last", "screen")

    def __init__(self, screen: Screen, field: str) -> None:
        self.screen = screen
        self.field = field
        self.last: dict[str, Any] = {}


def without_pieces(holder: Any) -> None:
    """Takes out what would tell the text that was there."""
    for name in TOLD_AGAIN:
        if isinstance(holder, dict) and holder.get(name) is not None:
            holder[name] = None if name == _LOGPROBS else []


def framed(name: bytes, data: bytes) -> bytes:
    """Returns an event of a stream."""
    return b"event: %b\ndata: %b\n\n" % (name, data) if name else b"data: %b\n\n" % data
