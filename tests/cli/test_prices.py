"""`penstock prices`: what models of the file and of the table cost, and what has no price."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main

FILE = """\
upstreams:
  openai: {kind: openai, api_key: k}
  azure: {kind: openai-compatible, base_url: https://mine.openai.azure.com/openai/v1, api_key: k}
  or: {kind: openai-compatible, base_url: https://openrouter.ai/api/v1, api_key: k}
  local: {kind: openai-compatible, base_url: http://127.0.0.1:11434/v1}
  far: {kind: openai-compatible, base_url: https://llm.example.com/v1}
models:
  smart: [openai/gpt-4.1, azure/prod]
  "openai/*": openai/*
  "or/*": or/*
  llama: local/llama3.2
  odd: far/thing
prices:
  azure/prod: azure/gpt-4o
  "local/q*":
    input: 0.5
    output: 1
    request: 0.002
    tiers: [{above: 8000, input: 0.75}]
pipeline: [route, stream-translate]
"""
AS_OF = "the table of 2026-11-21"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file() -> Path:
    path = Path("pipeline.yaml")
    path.write_text(FILE)
    return path


def prices(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["prices", *arguments]) == code
    printed = capsys.readouterr()
    return printed.err if code and not printed.out else printed.out


def test_all_models_of_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        prices(capsys)
        == f"""\
openai/gpt-4.1, asked for as smart
  price: by {AS_OF} (openai/gpt-4.1)
  input 2, output 8, cache_read 0.5   (dollars per million tokens)
  priority: input 3.5, output 14, cache_read 0.875
  a search: 0.025 dollars

azure/prod, asked for as smart
  price: by pipeline.yaml:14 (azure/prod: azure/gpt-4o)
  input 2.5, output 10, cache_read 1.25   (dollars per million tokens)

openai/*
  price: by the table, model by model

or/*
  price: as the upstream says with each answer

local/llama3.2, asked for as llama
  price: nothing, for it runs on machines of your own

far/thing, asked for as odd
  price: not known
"""
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("smart", ["openai/gpt-4.1", "azure/prod"]),
        ("azure/prod", ["azure/prod"]),
        ("openai/gpt-4o-2024-08-06", ["openai/gpt-4o-2024-08-06"]),
        ("or/a/b", ["or/a/b"]),
        ("local/qwen3", ["local/qwen3"]),
        ("far/other", ["far/other"]),
        ("s*", ["openai/gpt-4.1", "azure/prod"]),
        ("openai/gpt-4.1*", ["openai/gpt-4.1", "openai/gpt-4.1-mini"]),
        ("gpt-4o", ["openai/gpt-4o", "azure/gpt-4o"]),
        ("anthropic/claude-sonnet-4-5-20250929", ["anthropic/claude-sonnet-4-5-20250929"]),
        ("minimax/*", ["minimax/MiniMax-M2.5", "minimax/MiniMax-M2.5-lightning", "minimax/MiniMax-M3"]),
    ],
)
def test_what_a_name_means(name: str, found: list[str], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [quote["name"] for quote in json.loads(prices(capsys, name, "--json"))] == found


def test_a_price_of_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        prices(capsys, "local/qwen3")
        == """\
local/qwen3
  price: by pipeline.yaml:15 (local/q*)
  input 0.5, output 1   (dollars per million tokens)
  above 8000 tokens of input: input 0.75, output 1
  a request: 0.002 dollars
"""
    )


def test_for_programs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [quote] = json.loads(prices(capsys, "local/qwen3", "--json"))
    assert quote == {
        "name": "local/qwen3",
        "asked_as": [],
        "origin": "file",
        "source": "by pipeline.yaml:15 (local/q*)",
        "tiers": [
            {
                "service_tier": "",
                "prices": {"input": 0.5, "output": 1.0},
                "longer": [{"above": 8000, "prices": {"input": 0.75, "output": 1.0}}],
            }
        ],
        "search": 0.0,
        "request": 0.002,
    }


def test_no_file_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert prices(capsys).startswith(f"{AS_OF} has 394 models of openai, anthropic,")
    assert (
        prices(capsys, "deepseek/deepseek-v3.2")
        == f"""\
deepseek/deepseek-v3.2
  price: by {AS_OF} (deepseek/deepseek-v3.2)
  input 0.28, output 0.4, cache_read 0.028   (dollars per million tokens)
"""
    )
    assert len(json.loads(prices(capsys, "--json"))) == 394 + 67


def test_a_name_that_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert prices(capsys, "openai/gpt-5-nono", code=1) == (
        'nobody knows a price for "openai/gpt-5-nono"   (did you mean "openai/gpt-5-nano"?)\n'
    )
    assert "write vendor/model" in prices(capsys, "#", code=1)


def test_what_has_no_price_is_found(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prices(capsys, "--check", code=1) == (
        'pipeline.yaml: far/thing has no price   (add "far/thing: {input: ..., output: ...}" to prices, in dollars per '
        "million tokens)\n"
    )
    assert json.loads(prices(capsys, "--check", "--json", code=1)) == {
        "file": "pipeline.yaml",
        "ok": False,
        "without_price": ["far/thing"],
    }
    file.write_text(FILE.replace("prices:\n", "prices:\n  odd: {input: 1, output: 1}\n"))
    assert prices(capsys, "--check") == (f"pipeline.yaml: every model has a price, by {AS_OF} and the file's own\n")


def test_a_file_that_is_wrong_or_not_there(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILE.replace("input: 0.5", "input: -1"))
    assert "-1 is no price" in prices(capsys, "--check", code=1)
    assert "there is no such file" in prices(capsys, "--config", "other.yaml", code=2)
    file.unlink()
    assert "there is no such file" in prices(capsys, "--check", code=2)


def test_what_google_charges_at_both_of_its_vendors(capsys: pytest.CaptureFixture[str]) -> None:
    told = prices(capsys, "vertex/gemini-2.5-pro*")
    assert told.startswith(f"vertex_ai/gemini-2.5-pro\n  price: by {AS_OF} (gemini/gemini-2.5-pro)\n")
