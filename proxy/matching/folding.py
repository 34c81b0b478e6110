"""How characters are compared: upper and lower case as one, and the many ways in which Unicode writes one letter.

Each character is folded by itself, to none, one or several characters, so that it makes no difference where a text is
cut. That is full case folding (the sharp s becomes two letters) and, if wanted, compatibility decomposition (NFKD): a
composed accent equals a decomposed one, a full-width letter the plain one, and invisible characters count for nothing.
Combining marks in an order other than the canonical one are not put in order.
"""

from __future__ import annotations

import unicodedata

_ODD = "\udfff"
_MOST_CACHED = 20_000


class Folding:
    """One way to compare characters; shared by everything that compares in that way."""

    def __init__(self, *, case_sensitive: bool, normalize: bool) -> None:
        self.case_sensitive = case_sensitive
        self.normalize = normalize
        self._table = _OneToOne(self)
        self._whole = _Whole(self)

    def char(self, char: str) -> str:
        """Returns what one character is compared as; empty when it counts for nothing."""
        if self.normalize:
            if invisible(char):
                return ""
            char = unicodedata.normalize("NFKD", char)
        if not self.case_sensitive:
            char = char.casefold()
            if self.normalize:
                char = unicodedata.normalize("NFKD", char)
        return char

    def text(self, text: str) -> str:
        """Returns a whole text, folded."""
        return text.translate(self._whole)

    def simple(self, text: str) -> str | None:
        """Returns the folded text if each character became exactly one, else None. Hot: once an event."""
        if text.isascii():
            return text if self.case_sensitive else text.lower()
        folded = text.translate(self._table)
        return None if _ODD in folded else folded


class _Whole(dict[int, str]):
    """A table for `str.translate` that fills itself with what characters are compared as."""

    def __init__(self, folding: Folding) -> None:
        super().__init__()
        self._folding = folding

    def __missing__(self, code: int) -> str:
        folded = self._folding.char(chr(code))
        if len(self) >= _MOST_CACHED:
            self.clear()
        self[code] = folded
        return folded


class _OneToOne(dict[int, str]):
    """A table for `str.translate` that fills itself; characters that become none or several are marked as odd."""

    def __init__(self, folding: Folding) -> None:
        super().__init__()
        self._folding = folding

    def __missing__(self, code: int) -> str:
        folded = self._folding.char(chr(code))
        if len(folded) != 1:
            folded = _ODD
        if len(self) >= _MOST_CACHED:
            self.clear()
        self[code] = folded
        return folded


def invisible(char: str) -> bool:
    """Tells whether a character shows nothing: format characters, variation selectors, the grapheme joiner."""
    return unicodedata.category(char) == "Cf" or "\ufe00" <= char <= "\ufe0f" or char == "\u034f"


def in_word(char: str) -> bool:
    """Tells whether a character is part of a word: a letter, a digit, an underscore or a combining mark."""
    return char.isalnum() or char == "_" or unicodedata.combining(char) != 0
