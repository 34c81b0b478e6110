"""A guardrail with rules of a test's own, and somebody to ask who says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from proxy.config.types import ConfigValue, Sources
from proxy.guardrails.check import Asked, Asking, Verdict
from proxy.guardrails.rules import GuardrailRule
from stages.guardrail import Guardrail, GuardrailConfig

Says = Callable[[Asked], Verdict]


def _hook(kind: type, value: Any) -> Any:
    assert issubclass(kind, ConfigValue)
    return kind.parse(value, Sources({}))


def rule(**fields: Any) -> GuardrailRule:
    """Returns a rule; raises msgspec.ValidationError for a mistake in it."""
    return msgspec.convert({"name": "rule", **fields}, GuardrailRule, dec_hook=_hook)


async def guard(*rules: dict[str, Any], directory: Path = Path(), **given: Any) -> Guardrail:
    """Returns a stage that has been started; rules without a name are called `rule 0` and so on."""
    named = [{"name": f"rule {number}", **one} for number, one in enumerate(rules)]
    stage = Guardrail(msgspec.convert({"rules": named}, GuardrailConfig, dec_hook=_hook))
    stage.directory = directory
    for name, value in given.items():
        setattr(stage, name, value)
    await stage.start()
    return stage


class Oracle:
    """Somebody who is asked. Answers wait until they are let go, where `waits`; `most` were asked at the same time."""

    def __init__(self, says: Says, *, waits: bool = False) -> None:
        self.says = says
        self.asked: list[Asked] = []
        self.most = 0
        self.cancelled = 0
        self.closed = False
        self.came = asyncio.Event()
        self._now = 0
        self._go = asyncio.Semaphore(0)
        self._waits = waits

    def go(self, answers: int = 1) -> None:
        """Lets so many answers go."""
        for _ in range(answers):
            self._go.release()

    async def ask(self, asked: Asked) -> Verdict:
        """Answers as the test wants."""
        self.asked.append(asked)
        self._now += 1
        self.most = max(self.most, self._now)
        self.came.set()
        try:
            if self._waits:
                await self._go.acquire()
            return self.says(asked)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._now -= 1

    async def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True

    async def asked_so_often(self, count: int) -> None:
        """Waits until it was asked so often."""
        async with asyncio.timeout(10):
            while len(self.asked) < count:
                self.came.clear()
                await self.came.wait()


def without(word: str) -> Says:
    """Returns an opinion: texts with a word are bad."""
    return lambda asked: Verdict(bad=any(word in text for text in asked.texts), reason=f"it says {word}")


def masking(word: str, mask: str = "#") -> Says:
    """Returns an opinion: texts with a word are better with a mask."""
    return lambda asked: Verdict(texts=tuple(text.replace(word, mask) for text in asked.texts))


def fails(asked: Asked) -> Verdict:
    """Has no opinion."""
    raise OSError("gone")


def asking(oracle: Oracle, **fields: Any) -> Asking:
    """Returns an oracle as it is asked for a rule."""
    return Asking(rule(**{"match": "http", "url": "http://127.0.0.1:9/", **fields}), oracle)
