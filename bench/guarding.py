"""What a guardrail costs: a list of 1,000 words, beside and with other rules, per delta and per request."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count

from proxy.api.responses.request import ResponsesRequest
from proxy.events import Event, TextDelta
from proxy.exchange import Client, Exchange
from proxy.guardrails.local import Searches
from proxy.guardrails.request import RequestScreen
from proxy.guardrails.rules import GuardrailRule
from proxy.guardrails.watch import Watch
from proxy.matching import AnswerScreen

from .answers import word
from .measure import Operation, Run

_COUNT = 1000
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TARGET = "target: 1"


def banned(count: int = 1000) -> tuple[str, ...]:
    """Returns words that nobody says, of five to twelve letters."""
    chance = random.Random(1)
    return tuple("".join(chance.choices(_LETTERS, k=chance.randint(5, 12))) for _ in range(count))


def watch() -> Watch:
    """Returns a filter for 1,000 words, of which none begins as words of answers do: nothing is held back."""
    rule = GuardrailRule(name="words", words=tuple(f"жanned{number:04d}word" for number in range(1000)))
    searches = _searches([rule])
    return Watch(AnswerScreen(searches.matcher(), None, None), {"output": searches.acts})


def operations() -> list[Operation]:
    """Returns the operations of a guardrail's filter on text deltas, one a read, and of its search of a request."""
    words = GuardrailRule(name="words", words=banned())
    cards = GuardrailRule(name="cards", match="pii", kinds=("credit_card",), action="mask")
    keys = GuardrailRule(name="keys", match="regex", pattern=r"sk-[A-Za-z0-9]{20,}", engine="python")
    return [
        _filtering("guardrail, 1,000 words, text delta", [words], _TARGET),
        _filtering("guardrail, 1,000 words, text delta that never came before", [words], fresh=True),
        _filtering("guardrail, 1,000 words, a pattern and cards, text delta", [words, keys, cards]),
        _searching("guardrail, 1,000 words, request of 2 kB", [words], 2000),
        _searching("guardrail, 1,000 words, request of 100 kB", [words], 100_000),
    ]


def _searches(rules: Sequence[GuardrailRule]) -> Searches:
    return Searches([(rule, rule.words) for rule in rules])


def _filtering(name: str, rules: Sequence[GuardrailRule], note: str = "", *, fresh: bool = False) -> Operation:
    """Returns the operation of a filter; with `fresh` no text comes twice, for it remembers those that do."""
    searches = _searches(rules)
    matcher = searches.matcher()
    exchange = _exchange("hi")
    begins = count(1, _COUNT if fresh else 0)

    def prepare() -> Run:
        first = next(begins)
        batches: list[list[Event]] = [[TextDelta(word(1, index))] for index in range(first, first + _COUNT)]
        return lambda: run(batches)

    def run(batches: list[list[Event]]) -> None:
        on_events = Watch(AnswerScreen(matcher, None, None), {"output": searches.acts}).on_events
        for batch in batches:
            on_events(exchange, batch)

    return Operation(name, _COUNT, prepare, note)


def _searching(name: str, rules: Sequence[GuardrailRule], size: int) -> Operation:
    searches = _searches(rules)
    screen = RequestScreen(searches.masking(), searches.acts, ())
    text = "".join(word(1, index) for index in range(size // 5))[:size]

    def run() -> None:
        for _ in range(10):
            screen.search(_exchange(text))

    return Operation(name, 10, lambda: run)


def _exchange(text: str) -> Exchange:
    body = b'{"model":"bench","input":"%b","stream":true}' % text.encode()
    exchange = Exchange("req_bench", Client("127.0.0.1", {}), ResponsesRequest.parse(body))
    exchange.nudge = _nothing  # as where the answer is streamed
    return exchange


def _nothing() -> None:
    """Is never called: nothing is held back for a time."""
