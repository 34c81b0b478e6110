"""What is said in an answer that is passed on as it is, and how that answer is written with other words. Sans-IO.

An answer whose words change is written anew in the simplest form that its clients know: a stream of completions as one
event with all of its choices, one of a transcription as one piece and its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from ..api.texts import Keys, texts_in, with_text
from ..errors import UpstreamError
from ..sse.parser import SseParser
from .raw_answer import TOLD_AGAIN, framed, without_pieces

_DONE = b"[DONE]"
_KEPT = ("created", "duration", "id", "language", "model", "object", "system_fingerprint", "task", "type", "usage")
"""Fields in which nobody says anything."""
_NO_TEXTS = frozenset((*_KEPT, "finish_reason"))
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UpstreamError)


class Form(Protocol):
    """A whole answer; `texts` is what it says."""

    texts: tuple[str, ...]

    def saying(self, texts: Sequence[str]) -> bytes:
        """Returns the answer with other texts."""

    def withheld(self) -> bytes:
        """Returns the answer without any, ended by a rule."""


def read(body: bytes, *, events: bool) -> Form:
    """Returns what an answer is; one that cannot be read is one text. `events` says that it is a stream."""
    try:
        if events:
            return _Streamed(body)
        value = msgspec.json.decode(body)
    except _UNREADABLE:
        return _Plain(body)
    return _Whole(value) if isinstance(value, (dict, list)) else _Plain(body)


class _Plain:
    def __init__(self, body: bytes) -> None:
        self.texts: tuple[str, ...] = (body.decode(errors="replace"),)

    def saying(self, texts: Sequence[str]) -> bytes:
        return texts[0].encode("utf-8", "replace")

    def withheld(self) -> bytes:
        return b""


class _Whole:
    def __init__(self, value: Any) -> None:
        self._value = value
        found = [(keys, text) for keys, text in texts_in(value) if _says_something(keys)]
        self._keys = [keys for keys, _ in found]
        self.texts = tuple(text for _, text in found)

    def value(self, texts: Sequence[str]) -> Any:
        """Returns the value with other texts, and without what would tell those that were there."""
        for keys, text in zip(self._keys, texts, strict=True):
            with_text(self._value, keys, text)
        for holder in (self._value, *_choices(self._value)):
            without_pieces(holder)
        return self._value

    def bare(self) -> Any:
        """Returns what is left of the value when nothing may be said."""
        if not isinstance(self._value, dict):
            return {}
        kept = {name: part for name, part in self._value.items() if name in _KEPT}
        if "choices" not in self._value:
            return {**kept, "text": ""}
        ended = {"text": "", "logprobs": None, "finish_reason": "content_filter"}
        places = [one.get("index", at) for at, one in enumerate(_choices(self._value))]
        return {**kept, "choices": [{"index": place, **ended} for place in places]}

    def saying(self, texts: Sequence[str]) -> bytes:
        return msgspec.json.encode(self.value(texts))

    def withheld(self) -> bytes:
        return msgspec.json.encode(self.bare())


class _Streamed:
    """All events of a stream. What stands beside its running texts is looked at, and left out of what is written."""

    def __init__(self, body: bytes) -> None:
        self._kept: dict[str, Any] = {}
        self._running: dict[int, dict[str, Any]] = {}
        self._heard: str | None = None
        beside: dict[str, None] = {}
        parser = SseParser()
        for _, data in (*parser.feed(body), *parser.finish()):
            if data != _DONE:
                beside.update(dict.fromkeys(self._take(msgspec.json.decode(data))))
        beside.pop(self._heard or "", None)  # the end says all of it once more
        told = {"choices": list(self._running.values())} if self._heard is None else {"text": self._heard}
        self._whole = _Whole({**self._kept, **told})
        self.texts = (*self._whole.texts, *beside)

    def _take(self, event: Any) -> list[str]:
        """Takes an event; returns what it says beside running texts."""
        if isinstance(event, dict):
            self._kept |= {name: part for name, part in event.items() if name in _KEPT and part is not None}
            if isinstance(event.get("delta"), str):
                self._heard = (self._heard or "") + event["delta"]
            for choice in _choices(event):
                self._run_on(choice)
        return [text for keys, text in texts_in(event) if _says_something(keys) and not _runs_on(keys)]

    def _run_on(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        at = index if isinstance(index, int) else 0
        known = self._running.setdefault(at, {"index": at, "text": "", "logprobs": None, "finish_reason": None})
        known["text"] += choice["text"] if isinstance(choice.get("text"), str) else ""
        known["finish_reason"] = choice.get("finish_reason") or known["finish_reason"]

    def saying(self, texts: Sequence[str]) -> bytes:
        return self._written(self._whole.value(texts[: len(self._whole.texts)]))

    def withheld(self) -> bytes:
        return self._written(self._whole.bare())

    def _written(self, value: dict[str, Any]) -> bytes:
        if self._heard is None:
            return framed(b"", msgspec.json.encode(value)) + framed(b"", _DONE)
        piece = {"type": "transcript.text.delta", "delta": value["text"]}
        end = {**value, "type": "transcript.text.done"}
        return b"".join(framed(b"", msgspec.json.encode(one)) for one in (piece, end))


def _choices(value: Any) -> list[dict[str, Any]]:
    found = value.get("choices") if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _says_something(keys: Keys) -> bool:
    return not keys or (keys[-1] not in _NO_TEXTS and not any(key in TOLD_AGAIN for key in keys))


def _runs_on(keys: Keys) -> bool:
    return keys == ("delta",) or (len(keys) == 3 and keys[0] == "choices" and keys[2] == "text")
