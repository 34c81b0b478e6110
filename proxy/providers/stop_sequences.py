"""Stops an answer in front of a sequence that the client does not want, where the upstream cannot be told to. Sans-IO.

Text that may be the beginning of a sequence waits until it is known whether it is one. Behind the sequence nothing of
the answer is read any more: whoever drives the decoder closes the upstream then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..api import invalid
from ..events import Event, Finish, TextDelta, UpstreamFailed, Usage
from .provider import Decoder, Payload


def stop_sequences(said: Any) -> list[str]:
    """Returns the sequences of a chat client's `stop`, empty ones too; raises BadRequest for what is none."""
    words = [said] if isinstance(said, str) else [] if said is None else said
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise invalid.wrong_type("stop", "a string or an array of strings")
    return words


class StoppingDecoder:
    """Another decoder's events up to the first of `sequences` in the text; then `Finish`. None of them is empty.

    A sequence may come in pieces, but not around anything else that is shown: another item, or thinking.
    """

    __slots__ = ("_decoder", "_held", "_sequences", "_tail", "done")

    def __init__(self, decoder: Decoder, sequences: Sequence[str]) -> None:
        self._decoder = decoder
        self._sequences = tuple(sequences)
        self._held: list[TextDelta] = []
        self._tail = ""  # the text of what is held
        self.done = False

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads of the stream; returns the events they make. Hot: once a read."""
        return [] if self.done else self._until(self._decoder.feed(payloads))

    def text_of(self, read: bytes) -> str:
        """Returns nothing: every text has to be looked at."""
        return ""

    def learn(self, read: bytes, text: str) -> None:
        """Takes nothing from it, for the same reason."""

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in `Finish` or `UpstreamFailed`."""
        return [] if self.done else self._until(self._decoder.finish())

    def whole(self, body: bytes) -> list[Event]:
        """Takes the body of a non-streamed answer instead; returns all its events."""
        return self._until(self._decoder.whole(body))

    def _until(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for number, event in enumerate(events):
            if isinstance(event, TextDelta):
                self._text(event, out)
                if self.done:
                    out += [later for later in events[number:] if isinstance(later, Usage)]  # a whole answer has it
                    out.append(Finish("stop"))
                    break
                continue
            if not isinstance(event, Usage):
                self._release(0, out)
            out.append(event)
            self.done = isinstance(event, (Finish, UpstreamFailed))
        return out

    def _text(self, event: TextDelta, out: list[Event]) -> None:
        """Takes a piece of text; `done` says that a sequence has come."""
        self._held.append(event)
        self._tail += event.text
        places = [place for one in self._sequences if (place := self._tail.find(one)) >= 0]
        if places:
            self.done = True
            self._release(len(self._tail) - min(places), out)
            self._held.clear()
        else:
            self._release(max(map(self._begun, self._sequences)), out)

    def _begun(self, sequence: str) -> int:
        """Returns how many characters at the end of the text may be the beginning of a sequence."""
        longest = min(len(sequence) - 1, len(self._tail))
        return next((length for length in range(longest, 0, -1) if self._tail.endswith(sequence[:length])), 0)

    def _release(self, keep: int, out: list[Event]) -> None:
        """Shows the text that is held, but for so many characters at its end."""
        shown = len(self._tail) - keep
        while shown > 0:
            first = self._held[0]
            if len(first.text) <= shown:
                out.append(self._held.pop(0))
            elif first.logprobs is None or self.done:
                out.append(_beginning(first, shown))
                self._held[0] = TextDelta(first.text[shown:])
            else:
                break  # its tokens stay together
            shown -= len(first.text)
        self._tail = "".join(one.text for one in self._held)


def _beginning(event: TextDelta, length: int) -> TextDelta:
    """Returns the first characters of a piece of text, with the tokens that are all in them."""
    text = event.text[:length]
    tokens = []
    end = 0
    for entry in event.logprobs or ():
        end += len(entry.get("token") or "")
        if end > length:
            break
        tokens.append(entry)
    return TextDelta(text, tokens or None)
