"""Finds regular expressions that take Python's `re` for ever on some texts.

`re` tries one way after the other. Where a text can be divided among the parts of an expression in many ways, it tries
all of them before it gives up: a repeat within a repeat takes time that doubles with each character, two wide repeats
over the same characters time that grows with the cube. This looks at the form alone, and so refuses some expressions
that would do no harm; RE2 takes any of them in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from re import _constants as ops  # type: ignore[attr-defined]  # there is no other way to an expression's form
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import msgspec

Chars = frozenset[str]

_USUAL = "".join(map(chr, range(128))) + "\u00a0\u00e9\u0663\u0436\u4e2d\u2028"
"""Characters of every category. With those that an expression names they stand for all."""
_WIDE = 32
"""A repeat of so many characters or more can be divided in too many ways."""
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT)
_CATEGORIES = {
    ops.CATEGORY_DIGIT: r"\d",
    ops.CATEGORY_NOT_DIGIT: r"\D",
    ops.CATEGORY_SPACE: r"\s",
    ops.CATEGORY_NOT_SPACE: r"\S",
    ops.CATEGORY_WORD: r"\w",
    ops.CATEGORY_NOT_WORD: r"\W",
}


class _Part(msgspec.Struct, frozen=True):
    """One part of a sequence: the characters that may stand in it, how few and how many, and its form.

    `loose` says that a text may be divided in several ways among what is in it. `single` parts are one set of
    characters, as often as may be.
    """

    chars: Chars
    least: int
    most: int
    single: bool
    loose: bool
    fails: bool = False
    """Whether it may fail although it takes nothing."""


_NOTHING = _Part(frozenset(), 0, 0, single=False, loose=False, fails=True)


def reason_to_refuse(source: str, *, case_sensitive: bool) -> str | None:
    """Returns why an expression may take for ever, None when it does not. It must be one that `re` takes."""
    tree = parser.parse(source, 0 if case_sensitive else re.IGNORECASE)
    form = _Form(source, case_sensitive=case_sensitive and not tree.state.flags & re.IGNORECASE)
    form.parts(tree)
    return form.reason


class _Form:
    """Looks through one expression; `reason` is the first that was found to refuse it."""

    def __init__(self, source: str, *, case_sensitive: bool) -> None:
        self.reason: str | None = None
        self._all = frozenset(_USUAL + source + source.lower() + source.upper())
        self._case_sensitive = case_sensitive

    def parts(self, sequence: Iterable[tuple[Any, Any]]) -> list[_Part]:
        """Returns the parts of a sequence, groups dissolved, after looking at each and at all together."""
        parts: list[_Part] = []
        for op, value in sequence:
            if op is ops.SUBPATTERN:
                parts += self.parts(value[-1])
            elif op in _REPEATS:
                parts.append(self._repeat(*value))
            elif op is ops.BRANCH:
                parts.append(self._branch(value[1]))
            elif op in (ops.ASSERT, ops.ASSERT_NOT):
                self.parts(value[1])
                parts.append(_NOTHING)
            elif op is ops.GROUPREF_EXISTS:
                parts.append(self._branch([one for one in value[1:] if one is not None]))
            elif op is ops.GROUPREF:
                parts.append(_Part(self._all, 0, 1, single=False, loose=False, fails=True))
            elif op is ops.ATOMIC_GROUP:
                parts.append(_tight(self.parts(value)))
            elif op is ops.POSSESSIVE_REPEAT:
                parts.append(_tight(self.parts(value[2])))
            elif op is ops.AT:
                parts.append(_NOTHING)
            else:
                parts.append(_Part(self._set(op, value), 1, 1, single=True, loose=False))
        self._check_sequence(parts)
        return parts

    def _repeat(self, least: int, most: int, body: Any) -> _Part:
        inner = self.parts(body)
        chars = frozenset[str]().union(*(part.chars for part in inner))
        loose = any(part.loose or part.least != part.most for part in inner)
        if most > 1 and loose and not _is_delimited(inner):
            self.reason = self.reason or "a repeat stands within a repeat"
        few, many = sum(part.least for part in inner), sum(part.most for part in inner)
        single = len(inner) == 1 and inner[0].single and not loose
        return _Part(chars, least * few, min(most, 1 << 20) * many, single=single, loose=loose or least != most)

    def _branch(self, branches: Sequence[Any]) -> _Part:
        found = [self.parts(branch) for branch in branches]
        seen: set[str] = set()
        loose = False
        for parts in found:
            first = _first(parts)
            loose = loose or not first.isdisjoint(seen) or not first or any(part.loose for part in parts)
            seen |= first
        chars = frozenset[str]().union(*(part.chars for parts in found for part in parts))
        least = min(sum(part.least for part in parts) for parts in found)
        most = max(sum(part.most for part in parts) for parts in found)
        return _Part(chars, least, most, single=False, loose=loose)

    def _check_sequence(self, parts: Sequence[_Part]) -> None:
        """Looks for two wide repeats over the same characters, with nothing between them that the first cannot be."""
        before: Chars | None = None
        for at, part in enumerate(parts):
            if before is not None and part.least and part.chars.isdisjoint(before):
                before = None
            if part.most - part.least < _WIDE or not any(after.least or after.fails for after in parts[at + 1 :]):
                continue
            if before is not None and not part.chars.isdisjoint(before):
                self.reason = self.reason or "two wide repeats follow each other over the same characters"
            before = part.chars

    def _set(self, op: Any, value: Any) -> Chars:
        """Returns the characters that one place of the expression takes."""
        if op is ops.ANY:
            return self._all - {"\n"}
        if op is ops.IN:
            negated = bool(value) and value[0][0] is ops.NEGATE
            taken = frozenset[str]().union(*(self._set(*one) for one in value[negated:]))
            return self._all - taken if negated else taken
        if op is ops.CATEGORY:
            pattern = re.compile(_CATEGORIES[value])
            return frozenset(char for char in self._all if pattern.match(char))
        if op is ops.RANGE:
            return self._folded(char for char in self._all if value[0] <= ord(char) <= value[1])
        if op is ops.NOT_LITERAL:
            return self._all - self._folded([chr(value)])
        return self._folded([chr(value)]) if op is ops.LITERAL else self._all

    def _folded(self, chars: Iterable[str]) -> Chars:
        taken = frozenset(chars)
        if self._case_sensitive:
            return taken
        return taken.union(*(frozenset((char.lower(), char.upper())) for char in taken))


def _tight(parts: Sequence[_Part]) -> _Part:
    """Returns what is never divided in another way than at first as one part."""
    chars = frozenset[str]().union(*(part.chars for part in parts))
    least = sum(part.least for part in parts)
    return _Part(chars, least, least, single=False, loose=False)


def _first(parts: Sequence[_Part]) -> Chars:
    """Returns the characters that a sequence may begin with, as far as is known; all of those of what may be empty."""
    chars: Chars = frozenset()
    for part in parts:
        chars |= part.chars
        if part.least:
            break
    return chars


def _is_delimited(parts: Sequence[_Part]) -> bool:
    """Tells whether what is repeated shows where it begins, or ends: by characters that stand nowhere else in it."""
    taking = [part for part in parts if part.most or part.loose]
    for one, rest in ((taking[0], taking[1:]), (taking[-1], taking[:-1])) if taking else ():
        others = frozenset[str]().union(*(part.chars for part in rest))
        shown = one.single and one.least > 0 and one.chars.isdisjoint(others)
        fixed = one.least == one.most or any(part.least for part in rest)
        if shown and fixed and not any(part.loose and not part.single for part in rest):
            return True
    return False
