"""Presidio, as far as it can be seen without its models: what it is asked, and what is made of what it finds."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config.types import Mistake
from proxy.guardrails.check import ALLOWED, Asked, Verdict
from proxy.guardrails.presidio import Presidio
from tests.support.drive import exchange_of
from tests.support.guarding import rule


class Analyzer:
    """Finds names by a list."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.entities: list[str] = []

    def analyze(self, *, text: str, entities: list[str], language: str) -> list[Any]:
        self.threads.append(threading.current_thread())
        self.entities = entities
        found = [(text.find(name), name) for name in ("Ann Lee", "Ann", "Bo")]
        return [SimpleNamespace(start=at, end=at + len(name), entity_type="PERSON") for at, name in found if at >= 0]


async def verdict(*texts: str, **fields: Any) -> tuple[Verdict, Analyzer]:
    analyzer = Analyzer()
    check = Presidio(rule(match="pii", kinds=["email"], presidio=["PERSON"], **fields), analyzer)
    return await check.ask(Asked(exchange_of(), "input", texts)), analyzer


async def test_what_it_finds_is_masked_off_the_event_loop() -> None:
    said, analyzer = await verdict("Bo met Ann Lee.", "nobody", action="mask")
    assert said == Verdict(texts=("[person] met [person].", "nobody"))
    assert analyzer.entities == ["PERSON"]
    assert threading.main_thread() not in analyzer.threads


async def test_what_it_finds_is_bad_where_nothing_is_masked() -> None:
    assert (await verdict("Ann"))[0].bad
    assert (await verdict("nobody"))[0] == ALLOWED


def test_without_it_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.guardrails.presidio.find_spec", lambda name: None)
    with pytest.raises(Mistake, match="not installed"):
        Presidio(rule(match="pii", presidio=["PERSON"]))
