"""`penstock spend`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.events import Usage
from proxy.exchange import Key
from proxy.ledger.file import add_rows, open_ledger
from proxy.ledger.row import row_of
from tests.support.books import ended

FILE = "upstreams: {e: {kind: echo}}\nmodels: {m: e/m}\nstores: {ledger: {path: books.db}}\npipeline: [route]\n"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(FILE)
    connection = open_ledger(tmp_path / "books.db")
    usage = Usage(1000, 50, estimated=True)
    add_rows(
        connection,
        [
            row_of(ended("completed", usage, cost="1.5", key=Key("ann", team="search"))),
            row_of(ended("completed", usage, cost="0.000000001", key=Key("bob\x1b[2J", team="search"))),
            row_of(ended("cancelled", Usage(5, 5))),
        ],
    )
    connection.close()


def test_a_table_tells_it_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spend"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["key", "requests", "input", "cached", "output", "reasoning", "dollars"],
        ["ann", "1", "1000", "0", "50", "0", "1.50"],
        ["bob?[2J", "1", "1000", "0", "50", "0", "0.000000001"],
        ["-", "1", "5", "0", "5", "0", "0"],
        ["total", "3", "2005", "0", "105", "0", "1.500000001"],
    ]
    assert lines[5] == "2 requests have an estimated usage"
    assert lines[6].startswith("1 requests used tokens whose price is not known")


def test_json_tells_it_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spend", "--by", "team,day", "--only", "team=search", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(row["team"], row["requests"], row["nano_dollars"]) for row in shown["data"]] == [("search", 2, 1500000001)]
    assert shown["total"]["estimated"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--by", "colour"], 2, "not kept by"),
        (["--since", "never"], 2, "is no day"),
        (["--only", "search"], 2, "NAME=VALUE"),
        (["--ledger", "missing.db"], 1, "there is no ledger"),
        (["--config", "missing.yaml"], 2, "missing.yaml"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spend", *arguments]) == code
    assert says in capsys.readouterr().err


def test_a_file_without_a_ledger_is_told_how_to_have_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pipeline.yaml").write_text(FILE.replace("stores: {ledger: {path: books.db}}\n", ""))
    assert main(["spend"]) == 1
    assert "add stores: {ledger: {}}" in capsys.readouterr().err
