"""A regular expression in a text that arrives in pieces.

Python's `re` cannot say "this could still become a match". A second expression can: the same one, in which each
character may also be the end of the text (`ab` becomes `(?:a|\\Z)(?:b|\\Z)\\Z`). It finds the first place from which
the text, as far as it is known, may grow into a match, and only from there on is text held back. Where that does not
work (look-around, back references, inline groups of flags) the last `max_match - 1` characters are held back always.

RE2 knows neither look-around nor back references, and in return looks at each character once, whatever the expression.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from typing import Literal, Protocol

from .scan import Match

Engine = Literal["re2", "python"]
Span = tuple[int, int]

_ESCAPE = re.compile(
    r"\\(?:[pP](?:\{\^?\w+\}|\w)|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[^0-9])",
    re.DOTALL,
)
_ANY = re.compile(r".", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?:|\?P<\w+>|(?!\?))")
_REPEAT = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d*\})(\+|\??)")
_FLAGS = re.compile(r"\(\?[aimsu]+\)")
_FOREIGN = re.compile(r"\[\[:|\\[QC]")
"""Notation of RE2's own, which is not read here: classes of POSIX, quoted text, bytes."""
_ASSERTION = re.compile(r"\\[bBA]|\^")
_FRONTS = ("", "a", " ", "\n")
"""What may stand in front of a match, as far as an assertion can tell: nothing, a word, no word, a line's end."""
_MOST_BEGINNINGS = 40
_LONG = 4096
"""What is longer is not searched at once: for Python's `re` that may take time that grows with its square."""


class Found(Protocol):
    """A match, as both engines tell of it."""

    def start(self) -> int:
        """Returns where it begins."""

    def span(self) -> Span:
        """Returns where it begins and where it ends."""


class Expression(Protocol):
    """A compiled expression of either engine."""

    def search(self, text: str, at: int = 0, /) -> Found | None:
        """Returns the first match from a place on."""


class Pattern:
    """A regular expression of one rule. Made once; each text has a scan of its own.

    `max_match` is the longest match, with all it looks ahead at, that is surely found wherever the text is cut; so
    many characters in front of what is undecided are kept for looking behind, unless `behind` says how many.
    Raises ValueError for a wrong expression and for one that matches the empty text.
    """

    apart = False  # it may know where a text begins and ends

    def __init__(
        self,
        source: str,
        *,
        rule: int = 0,
        case_sensitive: bool = False,
        max_match: int = 256,
        behind: int | None = None,
        engine: Engine = "python",
    ) -> None:
        self.full, self.unfinished, hint = _expressions(source, case_sensitive=case_sensitive, engine=engine)
        if self.full.search("") is not None:
            raise ValueError("it matches the empty text")
        self.rule = rule
        self.max_match = max_match
        self.behind = max_match if behind is None else behind
        self.hint: Expression | None = hint
        """Finds the characters without one of which no match begins, where those are rare."""

    def span_at(self, text: str, start: int, end: int) -> Span | int | None:
        """Returns what of a match counts, from the same beginning.

        When it is none: from where to look for the next, None for one character later.
        """
        return start, end

    def clean(self, text: str) -> bool:
        """Tells whether nothing is found in a whole text; False where only a scan can tell."""
        if self.hint is not None and self.hint.search(text) is None:
            return True
        return len(text) <= _LONG and self.full.search(text) is None

    def scan(self) -> PatternScan:
        """Returns a scan at the beginning of a text."""
        return PatternScan(self)


def compiled(source: str, *, case_sensitive: bool, engine: Engine) -> Expression:
    """Returns a compiled expression; raises ValueError for one that the engine does not take."""
    if engine == "python":
        try:
            return re.compile(source, re.NOFLAG if case_sensitive else re.IGNORECASE)
        except re.error as error:
            raise ValueError(str(error)) from None
    import re2

    options = re2.Options()
    options.case_sensitive = case_sensitive
    options.log_errors = False
    try:
        expression: Expression = re2.compile(source, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"RE2 refuses it: {reason}") from None
    return expression


@lru_cache(maxsize=256)
def _expressions(
    source: str, *, case_sensitive: bool, engine: Engine
) -> tuple[Expression, Expression | None, Expression | None]:
    """Returns the expression, that of what may become a match, and what finds where one may begin."""
    full = compiled(source, case_sensitive=case_sensitive, engine=engine)
    form = unfinished_source(source)
    if form is None:
        return full, None, None
    if engine == "re2":
        form = form.replace(r"\Z", r"\z")
    unfinished = compiled(form, case_sensitive=case_sensitive, engine=engine)
    return full, unfinished, _beginnings(source, full, unfinished)


def _beginnings(source: str, full: Expression, unfinished: Expression) -> re.Pattern[str] | None:
    """Returns what finds the characters with which a match may begin; None where that is most of them.

    It asks the expressions themselves, behind all that an assertion could tell apart. Others than ASCII may always be.
    """
    fronts = _FRONTS if _ASSERTION.search(source) else ("",)
    found = ""
    for char in map(chr, range(128)):
        for front in fronts:
            text, at = front + char, len(front)
            matches = (unfinished.search(text, at), full.search(text, at))
            if any(match is not None and match.start() == at for match in matches):
                found += char
                break
        if len(found) > _MOST_BEGINNINGS:
            return None
    return re.compile(f"[{re.escape(found)}\x80-\U0010ffff]")


def has_re2() -> bool:
    """Tells whether RE2 is installed."""
    return find_spec("re2") is not None


class PatternScan:
    """One text on its way through a pattern."""

    __slots__ = (
        "_base",
        "_from",
        "_hint",
        "_pattern",
        "_search",
        "_text",
        "_trim_at",
        "_unfinished",
        "found",
        "safe",
    )

    def __init__(self, pattern: Pattern) -> None:
        self.safe = 0
        self.found: list[Match] = []
        self._pattern = pattern
        self._search = pattern.full.search
        self._hint = None if pattern.hint is None else pattern.hint.search
        self._trim_at = 4 * pattern.behind
        self._unfinished = None if pattern.unfinished is None else pattern.unfinished.search
        self._text = ""  # the end of the text: what is undecided, and what a look-behind may want to see
        self._base = 0  # offset of its first character
        self._from = 0  # where in it the next match may begin

    def feed(self, text: str) -> None:
        """Takes the next piece of text. Hot: once an event."""
        before = len(self._text)
        known = self._text = self._text + text
        hint = self._hint
        if hint is not None and self._from == before and hint(text) is None:
            undecided = len(known)
        else:
            undecided = self._look()
        self._from = undecided
        self.safe = self._base + undecided
        if undecided > self._trim_at:
            self._trim()

    def idle(self, text: str) -> bool:
        """Tells whether nothing waits, and the next piece has no character with which a match begins. Hot."""
        hint = self._hint
        return hint is not None and self._from == len(self._text) and hint(text) is None

    def skip(self, text: str) -> bool:
        """Takes a piece in which no match begins, where nothing waits. Hot: once an event."""
        if not self.idle(text):
            return False
        known = self._text = self._text + text
        self._from = len(known)
        self.safe = self._base + self._from
        if self._from > self._trim_at:
            self._trim()
        return True

    def _trim(self) -> None:
        """Forgets what is decided, but for what may be looked behind at."""
        behind = self._from - self._pattern.behind
        self._text = self._text[behind:]
        self._base += behind
        self._from -= behind

    def _look(self) -> int:
        """Takes the matches that are sure; returns where in `_text` the first begins that is not."""
        undecided = self._undecided()
        if undecided <= self._from:
            return undecided
        near = len(self._text) - self._pattern.max_match  # what begins up to here cannot reach the end
        while True:
            match = self._search(self._text, self._from)
            if match is None or match.start() >= undecided:
                return undecided
            self._take(match)
            if self._from > near:
                undecided = self._undecided()

    def settle(self) -> None:
        """Decides what is there as if the text ended here."""
        while self._from < len(self._text) and (match := self._search(self._text, self._from)):
            self._take(match)
        self._from = self._undecided()
        self.safe = self._base + len(self._text)

    def _take(self, match: Found) -> None:
        start, end = match.span()
        if start == end:  # nothing was matched, as by a lone boundary
            self._from = end + 1
            return
        span = self._pattern.span_at(self._text, start, end)
        if span is None or isinstance(span, int):
            self._from = start + 1 if span is None else span
            return
        self.found.append((self._base + start, self._pattern.rule, self._base + span[1]))
        self._from = span[1]

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
    if _FOREIGN.search(source):
        return None
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
