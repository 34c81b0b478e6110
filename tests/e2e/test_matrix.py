"""Every kind of upstream, every feature, both APIs, streamed and not: on one served Penstock; and the page about it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.providers.connection import ConnectedConfig
from proxy.providers.registry import kinds
from tests.support.everything_set import EverythingIsSet
from tests.support.fixtures import needs_shared
from tests.support.google_accounts import service_account
from tests.support.matrix.features import TABLES
from tests.support.matrix.page import PAGE, tables, with_tables
from tests.support.matrix.rows import ACCOUNT, ROWS
from tests.support.matrix.run import Matrix, run, ways

TEXT = PAGE.read_text("utf-8")
SECTIONS = dict(re.findall(r"^## ([\w-]+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
COMMON = {*ConnectedConfig.__struct_fields__, "base_url"}


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return asyncio.run(run())


@needs_shared
def test_whatever_is_asked_comes_or_is_said_not_to(matrix: Matrix) -> None:
    assert "\n".join(matrix.wrong) == ""
    tried = sum(len(found) for found in matrix.found.values())
    features = [feature for table in TABLES for feature in table]
    assert tried == sum(len(list(ways(row, feature))) for row in ROWS for feature in features)


@needs_shared
def test_no_provider_finds_a_mistake_in_what_it_is_asked(matrix: Matrix) -> None:
    assert "\n".join(matrix.mistakes) == ""


@needs_shared
def test_an_answer_costs_the_same_however_it_was_asked_for(matrix: Matrix) -> None:
    assert set(matrix.costs) == {row.name for row in ROWS}
    for row in ROWS:
        told = matrix.costs[row.name]
        own = row.name in ("vllm", "deepseek")  # servers on the loopback are one's own
        assert len(told) == 4
        assert len(set(told)) == 1, (row.name, told)
        assert (told[0] == 0) is own, (row.name, told)


@needs_shared
def test_costs_by_hand(matrix: Matrix) -> None:
    """800 tokens of input, 200 from the cache, 100 of output; in millionths of a dollar."""
    assert matrix.costs["openai-chat"][0] == pytest.approx((800 * 0.25 + 200 * 0.025 + 100 * 2) / 1e6, abs=1e-9)
    assert matrix.costs["anthropic"][0] == pytest.approx((800 * 5 + 200 * 0.5 + 100 * 25) / 1e6, abs=1e-9)
    assert matrix.costs["gemini"][0] == pytest.approx((800 * 0.5 + 200 * 0.05 + 100 * 3) / 1e6, abs=1e-9)
    assert matrix.costs["bedrock"][0] == pytest.approx((800 * 3.3 + 200 * 0.33 + 100 * 16.5) / 1e6, abs=1e-9)


@needs_shared
def test_the_page_says_what_was_found(matrix: Matrix) -> None:
    """`python -m tests.support.matrix.page` writes it anew."""
    assert with_tables(TEXT, tables(matrix)) == TEXT


# --- the rest of the page


def test_each_kind_has_its_section_and_its_row() -> None:
    assert set(SECTIONS) == set(kinds())
    rows = {re.match(r"`([\w-]+)`", row.label)[1] for row in ROWS}  # type: ignore[index]
    assert rows == set(kinds()) - {"echo"}


@pytest.mark.parametrize("kind", kinds())
def test_its_settings_are_those_of_the_file(kind: str) -> None:
    line = re.search(r"^- Settings: (.*?)\.$", SECTIONS[kind], re.DOTALL | re.MULTILINE)
    assert line is not None
    assert re.findall(r"`(\w+)`", line[1]) == sorted(set(kinds()[kind].Config.__struct_fields__) - COMMON)


@pytest.mark.parametrize("kind", kinds())
def test_its_example_loads(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ACCOUNT).write_text(service_account(1))
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```yaml\n(.*?)```", SECTIONS[kind], re.DOTALL)
    assert examples
    for text in examples:
        config = load_text(text, PAGE.name, sources=Sources(EverythingIsSet(), tmp_path))
        assert (config.skipped, config.warnings) == ((), ())
        assert kind in {upstream.provider.kind for upstream in config.upstreams.values()}


def test_every_column_is_explained() -> None:
    explained = re.findall(r"^\| ([\w ,-]+) \| [^|]+ \|$", TEXT, re.MULTILINE)
    names = {name.strip() for cell in explained for name in cell.split(",")}
    assert {feature.heading for table in TABLES for feature in table} <= names
