"""The rules that are decided here, made into searches: words, regular expressions, personal data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ..config.types import Mistake
from ..matching import Folding, Matcher, Pattern, Personal, Word, Words, has_re2
from ..matching.backtracking import reason_to_refuse
from .rules import GuardrailRule, Where

_INSTALL = "pip install 'penstock[guardrails]'"

Does = Literal["blocked", "masked", "flagged"]


class Act(msgspec.Struct, frozen=True):
    """What one thing that is looked for leads to: whose it is, what is done, the mask, and the kind of pii."""

    rule: str
    does: Does
    mask: str
    kind: str | None = None


class Searches:
    """The searches of some rules for one place; `acts` are numbered as what they find is."""

    def __init__(self, rules: Sequence[tuple[GuardrailRule, tuple[str, ...]]]) -> None:
        """Takes rules with their words; raises Mistake for what cannot be looked for."""
        self.acts: list[Act] = []
        self._acting: list[Words | Pattern] = []
        self._noting: list[Words | Pattern] = []
        for flag in (False, True):
            chosen = [pair for pair in rules if (pair[0].action == "flag") == flag]
            (self._noting if flag else self._acting).extend(self._searches(chosen))

    def matcher(self) -> Matcher:
        """Returns what answers go through: it lets nothing through from the first thing on that blocks."""
        masks = [None if act.does == "blocked" else act.mask for act in self.acts]
        return Matcher(self._acting, masks, self._noting)

    def masking(self) -> Matcher:
        """Returns what requests go through: it masks what blocks, too, so that no copy of it is kept or logged."""
        return Matcher(self._acting, [act.mask for act in self.acts], self._noting)

    def _searches(self, rules: Sequence[tuple[GuardrailRule, tuple[str, ...]]]) -> Iterator[Words | Pattern]:
        """Yields searches; all words that are compared in the same way are looked for together."""
        alike: dict[tuple[bool, bool], list[Word]] = {}
        for rule, words in rules:
            if rule.match == "pii":
                for kind in rule.kinds:
                    yield Personal(kind, rule=self._act(rule, kind))
                continue
            number = self._act(rule)
            together = alike.setdefault((rule.case_sensitive, rule.normalize), [])
            together += [Word(word, number, rule.whole_words) for word in words]
            for source in (*([rule.pattern] if rule.pattern is not None else []), *rule.patterns):
                yield _pattern(rule, source, number)
        for (case_sensitive, normalize), listed in alike.items():
            if listed:
                try:
                    yield Words(listed, Folding(case_sensitive=case_sensitive, normalize=normalize))
                except ValueError as error:
                    raise Mistake(str(error), "remove the word") from None

    def _act(self, rule: GuardrailRule, kind: str | None = None) -> int:
        does: Does = "masked" if rule.masks else "flagged" if rule.action == "flag" else "blocked"
        mask = f"[{kind}]" if kind is not None and rule.mask is None else rule.written_mask
        self.acts.append(Act(rule.name, does, mask, kind))
        return len(self.acts) - 1


def _pattern(rule: GuardrailRule, source: str, number: int) -> Pattern:
    engine = rule.engine or ("re2" if has_re2() else "python")
    if engine == "re2" and not has_re2():
        raise Mistake(f'rule "{rule.name}": RE2 is not installed', _INSTALL)
    if engine == "python":
        _check_form(rule, source)
    try:
        return Pattern(source, rule=number, case_sensitive=rule.case_sensitive, max_match=rule.max_match, engine=engine)
    except ValueError as error:
        refused = engine == "re2" and str(error).startswith("RE2")
        fix = "mend it, or set engine: python" if refused else "mend it"
        raise Mistake(f'rule "{rule.name}": the pattern {source!r} is wrong: {error}', fix) from None


def _check_form(rule: GuardrailRule, source: str) -> None:
    """Raises Mistake for a pattern with which Python's engine might hang; for a wrong one it says nothing."""
    try:
        reason = reason_to_refuse(source, case_sensitive=rule.case_sensitive)
    except (re.error, OverflowError, RecursionError):
        return
    if reason is not None:
        fix = "leave out engine" if rule.engine == "python" and has_re2() else f"mend it, or {_INSTALL}"
        what = f'rule "{rule.name}": the pattern {source!r} may take Python\'s engine for ever: {reason}'
        raise Mistake(what, fix)


def hints(rule: GuardrailRule) -> tuple[str, str] | None:
    """Returns what is to be said of a rule that works, but might do better, and what helps."""
    if rule.match != "regex" or rule.engine is not None or has_re2():
        return None
    what = f'rule "{rule.name}": RE2 is not installed; Python\'s engine is slower, and takes fewer patterns'
    return what, f"{_INSTALL}, or set engine: python"


def check_rule(rule: GuardrailRule) -> None:
    """Raises Mistake for a rule that cannot be looked for, or whose mask holds what it hides."""
    if rule.asks and rule.match != "pii":
        return
    searches = Searches([(rule, rule.words)])
    for act in searches.acts:
        if rule.masks and searches.masking().whole(act.mask)[1].masked:
            raise Mistake(f'the mask of rule "{rule.name}" holds what the rule hides', "choose another mask")


def searches_in(where: Where, rules: Sequence[tuple[GuardrailRule, tuple[str, ...]]]) -> Searches:
    """Returns the searches of the rules that look in a place and are decided here."""
    local = [pair for pair in rules if where in pair[0].scan and pair[0].match in ("words", "regex", "pii")]
    return Searches(local)


def read_words(path: Path) -> list[str]:
    """Returns the words of a file; raises OSError, and ValueError for one without words or not in UTF-8."""
    lines = (line.strip() for line in path.read_text("utf-8-sig").splitlines())
    words = [line for line in lines if line and not line.startswith("#")]
    if not words:
        raise ValueError("there are no words in it")
    return words
