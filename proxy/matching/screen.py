"""What may go out of a text that arrives in pieces: matches are masked or end it, the rest passes at once.

Every rule looks at the original text, whatever the other rules did to it. A run of matches that touch or overlap
becomes one mask, that of the match which begins first. The first match of a rule that blocks ends the text in front of
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .scan import APART, Match, Scan

_PIECE = 4096


class Scannable(Protocol):
    """A set of words or a pattern: something that can look at a text.

    `apart` says that several texts can be searched as one, with `APART` between them.
    """

    apart: bool

    def clean(self, text: str) -> bool:
        """Tells whether nothing is found in a whole text; False where only a scan can tell."""

    def scan(self) -> Scan:
        """Returns a scan at the beginning of a text."""


class Matcher:
    """What to look for, and what to do with it: `masks` holds the text to put in place, by rule; None blocks.

    What the `watches` find is only noted, and nothing waits for them.
    """

    def __init__(
        self, searches: Sequence[Scannable], masks: Sequence[str | None], watches: Sequence[Scannable] = ()
    ) -> None:
        self.searches = tuple(searches)
        self.masks = tuple(masks)
        self.watches = tuple(watches)
        self._all = (*self.searches, *self.watches)

    def __bool__(self) -> bool:
        return bool(self.searches or self.watches)

    def screen(self) -> Screen:
        """Returns a screen for one text."""
        watching = [watch.scan() for watch in self.watches]
        return Screen([search.scan() for search in self.searches], self.masks, watching)

    def whole(self, text: str) -> tuple[str, Screen]:
        """Returns what may go out of a complete text, and the screen it went through.

        A long one goes through it in pieces, so that no search of it takes time that grows with its square.
        """
        if self.clean(text):
            return text, _CLEAN
        screen = self.screen()
        out = [screen.feed(text[at : at + _PIECE]) for at in range(0, len(text), _PIECE)]
        return "".join([*out, screen.settle()]), screen

    def clean(self, text: str) -> bool:
        """Tells whether nothing is found in a complete text: of nearly all of them that is known quickly."""
        for one in self._all:  # noqa: SIM110  # as a generator, all() takes as long again
            if not one.clean(text):
                return False
        return True

    def are_clean(self, texts: Sequence[str]) -> bool:
        """Tells the same of several texts; one by one only where they cannot be searched together."""
        joined = APART.join(texts)
        for one in self._all:
            if one.apart:
                if not one.clean(joined):
                    return False
            elif not all(map(one.clean, texts)):
                return False
        return True


class Screen:
    """One text on its way out. Offsets count characters of the original text."""

    __slots__ = (
        "_all",
        "_edge",
        "_held",
        "_masks",
        "_matches",
        "_only",
        "_scans",
        "_watching",
        "blocked",
        "edits",
        "end",
        "flagged",
        "masked",
        "released",
    )

    def __init__(self, scans: Sequence[Scan], masks: Sequence[str | None], watching: Sequence[Scan] = ()) -> None:
        self.blocked: int | None = None
        """The rule that ended the text; nothing comes out any more."""
        self.masked: set[int] = set()
        """The rules whose matches were masked."""
        self.flagged: set[int] = set()
        """The rules of which something was found that is only noted."""
        self.released = 0
        """How much of the original text is decided: let through, masked or dropped."""
        self.end = 0
        """The length of the original text so far."""
        self.edits: list[tuple[int, int, int]] = []
        """Runs that were masked: first character, the one after the last, length of the mask."""
        self._scans = tuple(scans)
        self._watching = tuple(watching)
        self._all = (*scans, *watching)
        self._only = self._scans[0] if len(self._scans) == len(self._all) == 1 else None
        self._masks = masks
        self._matches: list[Match] = []
        self._held = ""
        self._edge = -1  # end of the last masked run

    @property
    def holding(self) -> bool:
        """Tells whether a part of the text is held back."""
        return self.end > self.released

    def feed(self, text: str) -> str:
        """Takes the next piece; returns what may go out now (`text` itself when that is all). Hot: once an event."""
        if self.blocked is not None:
            return ""
        self.end += len(text)
        only = self._only
        if only is not None:
            only.feed(text)
            safe = only.safe
            found = bool(only.found)
        else:
            safe, found = self._feed_all(text)
        held = self._held + text if self._held else text
        if found or self._matches:
            self._held = held
            return self._edit(safe)
        passed = safe - self.released
        if passed <= 0:
            self._held = held
            return ""
        self.released = safe
        if passed == len(held):
            self._held = ""
            return held
        self._held = held[passed:]
        return held[:passed]

    def passes(self, text: str) -> bool:
        """Takes the next piece if all of it may go out and nothing is held back; else does nothing. Hot: a piece."""
        if self._held or self.blocked is not None:
            return False
        only = self._only
        if only is not None:
            if not only.skip(text):
                return False
        elif self._all:
            for scan in self._all:
                if not scan.idle(text):
                    return False
            for scan in self._all:
                scan.feed(text)
        self.released = self.end = self.end + len(text)
        return True

    def _feed_all(self, text: str) -> tuple[int, bool]:
        """Shows all scans the next piece; returns what is decided, and whether anything was found."""
        safe, found = self.end, False
        for scan in self._scans:
            scan.feed(text)
            if scan.safe < safe:  # noqa: PLR1730  # a call of min() costs more than the rest of this loop
                safe = scan.safe
            if scan.found:
                found = True
        for scan in self._watching:
            scan.feed(text)
            if scan.found:
                self._flag(scan)
        return safe, found

    def settle(self) -> str:
        """Decides what is held back as if the text ended here, and returns it; more may follow."""
        if self.blocked is not None:
            return ""
        for scan in self._scans:
            scan.settle()
        for scan in self._watching:
            scan.settle()
            self._flag(scan)
        return self._edit(self.end)

    @property
    def found(self) -> bool:
        """Whether anything was found that is masked or blocks."""
        return bool(self.masked) or self.blocked is not None

    def _flag(self, scan: Scan) -> None:
        self.flagged.update(rule for _, rule, _ in scan.found)
        scan.found.clear()

    def _edit(self, safe: int) -> str:
        """Applies the matches that begin before `safe` and returns what may go out up to there."""
        for scan in self._scans:
            self._matches += scan.found
            scan.found.clear()
        self._matches.sort()
        base, held, at = self.released, self._held, self.released
        out: list[str] = []
        done = 0
        for start, rule, end in self._matches:
            if start >= safe:
                break
            done += 1
            mask = self._masks[rule]
            if mask is not None:
                self.masked.add(rule)
                if end <= at:
                    continue  # masked already; or settled before a look-ahead saw what made it a match
            if start > self._edge or mask is None:
                out.append(held[at - base : max(start - base, 0)])
                at = max(at, start)
            if mask is None:
                self.blocked = rule
                self._held = ""
                self.released = self.end
                return "".join(out)
            if start > self._edge:
                out.append(mask)
                self.edits.append((at, at, len(mask)))
            at = max(at, end)
            self._edge = max(self._edge, end)
            first, _, length = self.edits[-1]
            self.edits[-1] = (first, at, length)
        del self._matches[:done]
        if safe > at:
            out.append(held[at - base : safe - base])
            at = safe
        self._held = held[at - base :]
        self.released = at
        return "".join(out)

    def moved(self, offset: int) -> int:
        """Returns where a character of the original text stands in what went out."""
        shift = 0
        for start, end, length in self.edits:
            if offset >= end:
                shift += length - (end - start)
            elif offset > start:
                return start + shift
        return offset + shift


_CLEAN = Screen((), ())
"""The screen of all texts in which nothing is found."""
