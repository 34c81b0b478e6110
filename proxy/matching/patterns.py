"""A regular expression in a text that arrives in pieces.

Python's `re` cannot say "this could still become a match". A second expression can: the same one, in which each
character may also be the end of the text (`ab` becomes `(?:a|\\Z)(?:b|\\Z)\\Z`). It finds the first place from which
the text, as far as it is known, may grow into a match, and only from there on is text held back. Where that does not
work (look-around, back references, inline groups of flags) the last `max_match - 1` characters are held back always.
"""

from __future__ import annotations

import re

from .scan import Match

_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[^0-9])", re.DOTALL)
_ANY = re.compile(r".", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?:|\?P<\w+>|(?!\?))")
_REPEAT = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d*\})(\+|\??)")
_FLAGS = re.compile(r"\(\?[aimsu]+\)")


class Pattern:
    """A regular expression of one rule. Made once; each text has a scan of its own.

    `max_match` is the longest match, with all it looks ahead at, that is surely found wherever the text is cut.
    Raises re.error for a wrong expression and ValueError for one that matches the empty text.
    """

    def __init__(self, source: str, *, rule: int = 0, case_sensitive: bool = False, max_match: int = 256) -> None:
        flags = re.NOFLAG if case_sensitive else re.IGNORECASE
        self.full = re.compile(source, flags)
        if self.full.search("") is not None:
            raise ValueError("it matches the empty text")
        unfinished = unfinished_source(source)
        self.unfinished = None if unfinished is None else re.compile(unfinished, flags)
        self.rule = rule
        self.max_match = max_match

    def scan(self) -> PatternScan:
        """Returns a scan at the beginning of a text."""
        return PatternScan(self)


class PatternScan:
    """One text on its way through a pattern."""

    __slots__ = ("_base", "_from", "_pattern", "_search", "_text", "_unfinished", "found", "safe")

    def __init__(self, pattern: Pattern) -> None:
        self.safe = 0
        self.found: list[Match] = []
        self._pattern = pattern
        self._search = pattern.full.search
        self._unfinished = None if pattern.unfinished is None else pattern.unfinished.search
        self._text = ""  # the end of the text: what is undecided, and what a look-behind may want to see
        self._base = 0  # offset of its first character
        self._from = 0  # where in it the next match may begin

    def feed(self, text: str) -> None:
        """Takes the next piece of text. Hot: once an event."""
        self._text += text
        while True:
            match = self._search(self._text, self._from)
            undecided = self._undecided()
            if match is None or match.start() >= undecided:
                break
            self._take(match)
        self._from = undecided
        self.safe = self._base + undecided
        keep = self._pattern.max_match
        if undecided > 4 * keep:
            self._text = self._text[undecided - keep :]
            self._base += undecided - keep
            self._from = keep

    def settle(self) -> None:
        """Decides what is there as if the text ended here."""
        while self._from < len(self._text) and (match := self._search(self._text, self._from)):
            self._take(match)
        self._from = self._undecided()
        self.safe = self._base + len(self._text)

    def _take(self, match: re.Match[str]) -> None:
        start, end = match.span()
        if start == end:  # nothing was matched, as by a lone boundary
            self._from = end + 1
            return
        self.found.append((self._base + start, self._pattern.rule, self._base + end))
        self._from = end

    def _undecided(self) -> int:
        """Returns where in `_text` the first match may begin that more text would make, change or undo."""
        start = max(self._from, len(self._text) - self._pattern.max_match + 1)
        if self._unfinished is None:
            return min(start, len(self._text))
        match = self._unfinished(self._text, start)
        return len(self._text) if match is None else match.start()


def unfinished_source(source: str) -> str | None:
    """Returns an expression for what may still become a match of `source`, up to the end of the text.

    None when `source` uses something for which that cannot be written. `source` must be a valid expression.
    """
    flags = _FLAGS.match(source)
    at = flags.end() if flags else 0
    parts = [source[:at], "(?:"]
    while at < len(source):
        char = source[at]
        if char == "(":
            token = _GROUP.match(source, at)
            form = "(?:"
        elif char in "*+?" or (char == "{" and _REPEAT.match(source, at)):
            token = _REPEAT.match(source, at)
            if token and token[1] == "+":
                return None  # possessive: it does not give back what the end of the text would need
            form = "{}"
        else:
            token = {"\\": _ESCAPE, "[": _CLASS}.get(char, _ANY).match(source, at)
            form = "{}" if char in ")|" else r"(?:{}|\Z)"
        if token is None:
            return None
        parts.append(form.replace("{}", token[0]))
        at = token.end()
    return "".join([*parts, r")\Z"])
