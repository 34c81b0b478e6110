"""Asks Microsoft Presidio for entities that have no form of their own, such as names of people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from ..config.types import Mistake
from .check import ALLOWED, Asked, Verdict
from .rules import GuardrailRule


class Presidio:
    """Presidio's analyzer, in threads: it takes milliseconds and more a text, which no stream may wait for."""

    def __init__(self, rule: GuardrailRule, analyzer: Any = None) -> None:
        if analyzer is None and find_spec("presidio_analyzer") is None:
            raise Mistake(f'rule "{rule.name}": Presidio is not installed', "pip install 'penstock[presidio]'")
        self._rule = rule
        self._entities = list(rule.presidio)
        self._analyzer = analyzer
        self._lock = asyncio.Lock()

    async def ask(self, asked: Asked) -> Verdict:
        """Returns the texts with masks; for rules that do not mask, whether anything was found."""
        async with self._lock:
            if self._analyzer is None:
                self._analyzer = await asyncio.to_thread(_load)
            masked = await asyncio.to_thread(self._masked, asked.texts)
        found = tuple(masked) != asked.texts
        if not found:
            return ALLOWED
        return Verdict(texts=tuple(masked)) if self._rule.masks else Verdict(bad=True, reason="presidio")

    def _masked(self, texts: Sequence[str]) -> list[str]:
        return [self._mask(text) for text in texts]

    def _mask(self, text: str) -> str:
        found = self._analyzer.analyze(text=text, entities=self._entities, language="en")
        out, at = [], 0
        for one in sorted(found, key=lambda one: (one.start, -one.end)):
            if one.start >= at:
                mask = f"[{one.entity_type.lower()}]" if self._rule.mask is None else self._rule.mask
                out += [text[at : one.start], mask]
                at = one.end
            else:
                at = max(at, one.end)
        return "".join([*out, text[at:]])

    async def close(self) -> None:
        """Does nothing."""


def _load() -> Any:
    from presidio_analyzer import AnalyzerEngine

    return AnalyzerEngine()
