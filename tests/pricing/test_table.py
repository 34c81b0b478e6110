"""The table that ships: it is whole, every name finds itself, and what it has costs what it should."""

from __future__ import annotations

import datetime
from decimal import Decimal

import msgspec
import pytest

from proxy.events import Usage
from proxy.pricing.rates import dollars
from proxy.pricing.table import FILE, PriceTable, in_pico, price_table

TABLE = price_table()


def test_every_name_finds_itself() -> None:
    assert len(TABLE.models) == 394
    for name in TABLE.models:
        vendor, _, model = name.partition("/")
        found = TABLE.find(vendor, model)
        assert found is not None
        assert found.name == name
        assert found.card.cost(Usage(1, 1)) >= 0


def test_every_alias_finds_what_it_stands_for() -> None:
    assert len(TABLE.aliases) == 67
    for alias, name in TABLE.aliases.items():
        found, meant = TABLE.look_up(alias), TABLE.named(name)
        assert found is not None
        assert found == meant
        assert found.name == name


def test_it_says_of_when_it_is_and_whose() -> None:
    assert TABLE.as_of == datetime.date(2026, 11, 21)
    assert "MIT" in TABLE.origin
    licence = FILE.with_name("prices-license.txt").read_text()
    assert "Permission is hereby granted" in licence
    assert "2023 Berri AI" in licence


def test_gemini_costs_the_same_at_both_of_its_vendors() -> None:
    shared = {name for name in TABLE.models if name.startswith("vertex_ai/gemini-")}
    shared = {name for name in shared if name.replace("vertex_ai", "gemini", 1) in TABLE.models}
    assert len(shared) > 5
    for name in shared:
        one, other = TABLE.named(name), TABLE.named(name.replace("vertex_ai", "gemini", 1))
        assert one is not None
        assert other is not None
        usages = (Usage(300_000, 500, cached_tokens=1000, reasoning_tokens=100), Usage(900, 50, cached_tokens=100))
        assert [one.card.cost(usage) for usage in usages] == [other.card.cost(usage) for usage in usages]
        assert one.card.search == other.card.search


def test_what_a_vendor_sells() -> None:
    vertex = TABLE.matching("vertex/*")
    assert {"vertex_ai/gemini-2.5-pro", "vertex_ai/claude-sonnet-5", "vertex_ai/xai/grok-4.3"} <= set(vertex)
    assert len(vertex) == len(set(vertex))
    assert all(TABLE.look_up(name) for name in vertex)
    assert not any(name.startswith("gemini/") for name in vertex)


K100 = Usage(100_000, 2_000)


@pytest.mark.parametrize(
    ("name", "usage", "tier", "expected"),
    [
        # 1200*2.5 + 800*1.25 + 500*10 = 9000 millionths
        ("openai/gpt-4o", Usage(2000, 500, cached_tokens=800), None, "0.009"),
        ("openai/gpt-4o-2024-08-06", Usage(2000, 500, cached_tokens=800), None, "0.009"),
        ("openai/gpt-4o", Usage(2000, 500, cached_tokens=800), "priority", "0.0153"),  # 1200*4.25 + 800*2.125 + 500*17
        ("azure/gpt-4o-2024-11-20", Usage(2000, 500, cached_tokens=2000), None, "0.0075"),
        ("openai/gpt-5-mini", Usage(27, 15, reasoning_tokens=10), None, "0.00003675"),  # 27*.25 + 15*2
        ("openai/gpt-5-mini", Usage(27, 15), "flex", "0.000018375"),
        ("openai/gpt-5.4", Usage(272_001, 1), None, "1.3600275"),  # 272001*5 + 22.5
        ("openai/gpt-audio", Usage(100, 50, audio_input_tokens=80, audio_output_tokens=40), None, "0.00527"),
        # 100*3 + 4000*.3 + 900*3.75 + 100*6 + 200*15 = 8475
        (
            "anthropic/claude-sonnet-4-5-20250929",
            Usage(5100, 200, cached_tokens=4000, cache_write_tokens=1000, cache_write_1h_tokens=100),
            "standard",
            "0.008475",
        ),
        ("anthropic/claude-sonnet-4-5", Usage(10, 10, searches=2), None, "0.02018"),  # 10*3 + 10*15, two cents
        # above 200k: 1*6 + 200000*.6 + 1000*22.5; then 200000*7.5 + 1000*12 for an hour
        (
            "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
            Usage(200_001, 1000, cached_tokens=200_000),
            None,
            "0.142506",
        ),
        (
            "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
            Usage(201_000, 0, cache_write_tokens=201_000, cache_write_1h_tokens=1000),
            None,
            "1.512",
        ),
        # regional: a tenth more. 1000*3.3 + 100*16.5
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(1000, 100), None, "0.00495"),
        ("bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(1000, 100), None, "0.00495"),
        ("bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(1000, 100), None, "0.0045"),
        ("bedrock/us.amazon.nova-2-lite-v1:0", Usage(1000, 0, cached_tokens=1000), "priority", "0.000144375"),
        # 4*.28 + 2455*.028 + 100*.4
        ("deepseek/deepseek-v3.2", Usage(2459, 100, cached_tokens=2455, reasoning_tokens=60), None, "0.00010986"),
        ("gemini/gemini-2.5-pro", Usage(200_000, 100), None, "0.251"),  # 200000*1.25 + 100*10
        ("gemini/gemini-2.5-pro", Usage(200_001, 100, cached_tokens=1), None, "0.50150025"),  # 200000*2.5 + .25 + 1500
        ("gemini/gemini-2.5-pro", Usage(200_001, 100), "flex", "0.25075125"),  # 200001*1.25 + 100*7.5
        ("gemini/gemini-2.5-flash", Usage(1000, 10, audio_input_tokens=600), None, "0.000745"),  # 400*.3 + 600 + 25
        ("dashscope/qwen3-max", Usage(32_001, 0), None, "0.0768024"),
        ("dashscope/qwen3-max", Usage(128_001, 0), None, "0.384003"),
        ("dashscope/qwen-turbo", Usage(0, 100, reasoning_tokens=60), None, "0.000038"),  # 40*.2 + 60*.5
        ("vertex_ai/claude-opus-4-5@20251101", Usage(1000, 0), None, "0.005"),
        ("zai/glm-4.7-flash", K100, None, "0"),
        # Google charges for Gemini the same at both vendors. 300*.3 + 100*.03 + 600*1 + (40 + 60)*2.5
        (
            "vertex/gemini-2.5-flash",
            Usage(1000, 100, cached_tokens=100, reasoning_tokens=60, audio_input_tokens=600),
            None,
            "0.000943",
        ),
        ("vertex_ai/publishers/google/models/gemini-2.5-pro", Usage(200_000, 7, reasoning_tokens=7), None, "0.25007"),
        # above 200k: 100001*2.5 + 100000*.25 + 7*15
        ("vertex/gemini-2.5-pro", Usage(200_001, 7, cached_tokens=100_000), None, "0.2751075"),
        ("vertex/gemini-2.5-pro", Usage(200_001, 7), "priority", "0.900193500"),  # 200001*4.5 + 7*27
        ("gemini/gemini-3-pro-preview", Usage(1000, 10, searches=1), None, "0.01612"),  # 1000*2 + 10*12, and a search
        # 3000*2 + 1000*.2 + 900*2.5 + 100*4 + 200*10
        (
            "vertex/claude-sonnet-5",
            Usage(5000, 200, cached_tokens=1000, cache_write_tokens=1000, cache_write_1h_tokens=100),
            None,
            "0.01085",
        ),
        ("vertex/xai/grok-4.3", Usage(200_001, 1, cached_tokens=1), None, "0.5000054"),  # 200000*2.5 + .4 + 5
    ],
)
def test_by_hand(name: str, usage: Usage, tier: str | None, expected: str) -> None:
    found = TABLE.look_up(name)
    assert found is not None
    assert dollars(found.card.cost(usage, tier)) == Decimal(expected)


@pytest.mark.parametrize(
    "name",
    ["gpt-4o", "openai/", "/gpt-4o", "openai/gpt-4o-nano", "openai/ft:gpt-4o:acme::x", "nobody/gpt-4o", ""],
)
def test_what_it_has_not(name: str) -> None:
    assert TABLE.look_up(name) is None


def test_prices_are_read_digit_by_digit() -> None:
    assert in_pico(Decimal("0.144375"), 6) == 144_375
    with pytest.raises(ValueError, match="more than 6 decimals"):
        in_pico(Decimal("0.1443751"), 6)


def test_a_row_with_what_nobody_charges_is_refused() -> None:
    text = b'{"as_of":"2026-01-02","origin":"","models":{"a/b":{"in":1,"out":2,"inn":3}},"aliases":{}}'
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=PriceTable).named("a/b")
