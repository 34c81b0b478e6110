"""What is put on an exchange: by the file, by what the upstream says, by the table, or nothing."""

from __future__ import annotations

import time
from decimal import Decimal

import msgspec
import pytest

from proxy.errors import UpstreamError
from proxy.events import Usage
from proxy.exchange import Attempt, Exchange
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.providers.provider import Deployment
from tests.support.drive import exchange_of
from tests.support.fake_registry import FakeProvider

USED = Usage(2000, 500, cached_tokens=800)


class Config(msgspec.Struct):
    base_url: str | None = None
    base_models: dict[str, str] = {}


def deployment(name: str, *, kind: str = "openai", url: str | None = None) -> Deployment:
    upstream, _, model = name.partition("/")
    provider = FakeProvider(upstream, Config(url))
    provider.kind = kind  # type: ignore[misc]
    return Deployment(provider, model)


def charged(
    book: PriceBook, at: Deployment | None, usage: Usage | None = USED, service_tier: str | None = None
) -> Decimal | None:
    exchange: Exchange = exchange_of()
    exchange.deployment, exchange.usage, exchange.service_tier = at, usage, service_tier
    exchange.attempts.append(Attempt("a", "m", 0.0))
    book.charge(exchange)
    return exchange.cost


OWN = PriceBook([
    OwnPrice("mine", 7, rate_card({"input": 10**6, "output": 2 * 10**6}, request=10**9), ("a/mine", "b/*")),
])  # fmt: skip


@pytest.mark.parametrize(
    ("at", "usage", "tier", "cost"),
    [
        (deployment("a/gpt-4o"), USED, None, "0.009"),
        (deployment("a/gpt-4o"), USED, "priority", "0.0153"),
        (deployment("a/gpt-4o-2024-08-06"), msgspec.structs.replace(USED, estimated=True), None, "0.009"),
        (deployment("d/deepseek-v3.2", kind="anthropic", url="https://api.deepseek.com/x"), USED, None, "0.0005584"),
        (deployment("c/us.xai.grok-4.6", kind="bedrock"), Usage(0, 0), None, "0"),
        (deployment("a/mine"), USED, None, "0.004"),  # 2000*1 + 500*2, a tenth of a cent for the request
        (deployment("b/gpt-4o"), USED, "priority", "0.004"),
        (deployment("c/llama", kind="openai-compatible", url="http://127.0.0.1:1/v1"), USED, None, "0"),
        (deployment("c/echo", kind="echo"), USED, None, "0"),
        # told by the upstream: more than the table, less than the file, and known where nothing else is
        (deployment("a/gpt-4o"), Usage(1, 1, cost=Decimal("0.5")), None, "0.5"),
        (deployment("a/mine"), Usage(1, 1, cost=Decimal("0.5")), None, "0.001003"),
        (deployment("c/x/y", kind="openai-compatible", url="https://openrouter.ai/api/v1"),
         Usage(1, 1, cost=Decimal("0.00007159")), None, "0.00007159"),
        (deployment("c/llama", kind="openai-compatible", url="http://relay:1/v1"),
         Usage(1, 1, cost=Decimal(0)), None, "0"),
    ],
)  # fmt: skip
def test_what_it_costs(at: Deployment, usage: Usage, tier: str | None, cost: str) -> None:
    assert charged(OWN, at, usage, tier) == Decimal(cost)


@pytest.mark.parametrize(
    ("at", "usage"),
    [
        (deployment("a/gpt-4o"), None),
        (None, USED),
        (deployment("a/gpt-nobody-knows"), USED),
        (deployment("c/gpt-4o", kind="openai-compatible", url="https://llm.example.com/v1"), USED),
        (deployment("c/x/y", kind="openai-compatible", url="https://openrouter.ai/api/v1"), USED),
        (deployment("c/gpt-4o", kind="of-somebody-else"), USED),
    ],
)
def test_what_nobody_knows_is_not_nothing(at: Deployment | None, usage: Usage | None) -> None:
    assert charged(OWN, at, usage) is None


def test_each_attempt_is_charged_once() -> None:
    exchange = exchange_of()
    for name, usage in (("a/gpt-4o", USED), ("a/gpt-nobody-knows", USED), ("a/mine", Usage(1, 1))):
        exchange.attempts.append(Attempt("a", name, 0.0))
        exchange.deployment, exchange.usage = deployment(name), usage
        OWN.charge(exchange)
        exchange.usage = Usage(9, 9)
        OWN.charge(exchange)
    assert [one.cost for one in exchange.attempts] == [Decimal("0.009"), None, Decimal("0.001003")]
    assert [one.usage for one in exchange.attempts] == [USED, USED, Usage(1, 1)]
    assert exchange.cost == Decimal("0.010003")


def test_where_a_price_is_from() -> None:
    def origin(name: str, kind: str, url: str | None = None) -> tuple[str, str, int]:
        price = OWN.price_of(deployment(name, kind=kind, url=url))
        return price.origin, price.name, price.line

    assert origin("a/mine", "openai") == ("file", "mine", 7)
    assert origin("x/gpt-4o-2024-11-20", "openai") == ("table", "openai/gpt-4o", 0)
    assert origin("x/eu.anthropic.claude-opus-4-7", "bedrock") == ("table", "bedrock/us.anthropic.claude-opus-4-7", 0)
    assert origin("r/a/b", "openai-compatible", "https://openrouter.ai/api/v1") == ("told", "", 0)
    assert origin("x/a", "echo") == ("own", "", 0)
    assert origin("y/a", "openai") == ("unknown", "", 0)


def test_a_provider_without_a_kind_or_a_config_is_unknown() -> None:
    class Bare(FakeProvider):
        def error(self, status: int, headers: object, body: bytes) -> UpstreamError:
            raise AssertionError

    assert PriceBook().price_of(Deployment(Bare("x", None), "gpt-4o")).origin == "unknown"


def test_a_deployment_costs_what_its_model_costs() -> None:
    at = deployment("az/mine", kind="azure-openai")
    assert charged(PriceBook(), at) is None
    at.provider.config.base_models["mine"] = "gpt-4o"
    assert charged(PriceBook(), at) == charged(PriceBook(), deployment("az/gpt-4o", kind="azure-openai"))
    assert charged(PriceBook(), at) is not None


def test_any_number_of_names_takes_bounded_memory() -> None:
    book = PriceBook()
    for number in range(3000):
        assert book.price_of(deployment(f"a/made-up-{number}")).card is None
    assert book.price_of(deployment("a/" + "x" * 10_000)).card is None
    assert len(book._remembered) <= 1024
    assert max(len(model) for _, model in book._remembered) <= 256


def test_charging_is_quick_when_it_is_known() -> None:
    """The limit is far above what it takes (about 1 microsecond), and below what a search of the table would."""
    exchange = exchange_of()
    exchange.deployment, exchange.usage = deployment("a/gpt-4o"), USED
    exchange.attempts.append(Attempt("a", "gpt-4o", 0.0))
    OWN.charge(exchange)

    def charge_often() -> float:
        began = time.process_time()
        for _ in range(2000):
            exchange.attempts[-1].usage = exchange.cost = None
            OWN.charge(exchange)
        return (time.process_time() - began) / 2000

    assert min(charge_often() for _ in range(10)) < 3e-6
