"""`penstock keys`: what it prints where, and what it does to the store."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from proxy.auth.attributes import KeyAttributes
from proxy.auth.key_store import KeyStore
from proxy.auth.stored_keys import StoredKeys
from proxy.cli import main
from proxy.exchange import Key
from proxy.limiting.own import OwnLimits
from proxy.limiting.window import Window

FILE = """\
upstreams: {openai: {kind: openai, api_key: env:A_KEY_THAT_IS_NOT_HERE}}
models: {m: [openai/m]}
stores: {keys: {kind: sqlite, path: own.db}}
pipeline:
  - auth: {keys: store}
  - budget: {per: key, usd: 1}
  - route
  - stream-translate
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(FILE)
    return tmp_path


def test_the_life_of_a_key(place: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--owner", "o", "--model", "local/*", "--model", "fast", "--tag", "x", "--usd", "5", "--window", "1d"]
    assert main(["keys", "create", "--id", "ci", *options]) == 0
    out, err = capsys.readouterr()
    first = out.strip()
    assert "not shown again" in err
    assert first not in err
    keys = StoredKeys(place / "own.db")
    keys.open()
    limits = OwnLimits(usd=5, window=Window(86400))
    assert keys.find(first, 0.0) == Key("ci", "o", ("local/*", "fast"), limits=limits, tags=("x",))
    keys.close()
    assert main(["keys", "rotate", "ci", "--grace", "1h"]) == 0
    out, err = capsys.readouterr()
    second = out.strip()
    assert first != second
    assert "The old one works until" in err
    assert main(["keys", "change", "ci", "--owner", "", "--model", "", "--usd", "0", "--team", "blue"]) == 0
    store = KeyStore(place / "own.db")
    assert store.get("ci").attributes == KeyAttributes(team="blue", tags=("x",))
    assert main(["keys", "list"]) == 0
    assert main(["keys", "show", "ci"]) == 0
    assert main(["keys", "revoke", "ci"]) == 0
    assert store.get("ci").status(0.0) == "revoked"
    out, err = capsys.readouterr()
    assert first[:9] not in out
    assert f"{second[:9]}...  active" in out
    for secret in (first, second):
        assert secret[9:] not in out + err
    assert main(["keys", "list"]) == 0
    assert "ci" not in capsys.readouterr().out
    assert main(["keys", "list", "--all"]) == 0
    assert "revoked" in capsys.readouterr().out


def test_programs_get_json(place: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["keys", "create", "--json", "--expires", "2999-01-01"]) == 0
    made = msgspec.json.decode(capsys.readouterr().out)
    assert main(["keys", "list", "--json"]) == 0
    (listed,) = msgspec.json.decode(capsys.readouterr().out)
    assert {**listed, "key": made["key"]} == made
    assert main(["keys", "show", made["id"], "--json"]) == 0
    assert [one["what"] for one in msgspec.json.decode(capsys.readouterr().out)["changes"]] == ["create"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["create", "--id", "a b"], 1, "An id is"),
        (["create", "--expires", "soon"], 1, "no date"),
        (["create", "--usd", "-3"], 1, "usd"),
        (["create", "--config", "none.yaml"], 2, "no such file"),
        (["rotate", "x"], 1, "no key with the id 'x'"),
        (["rotate", "x", "--grace", "soon"], 1, "no duration"),
        (["change", "x", "--team", "a"], 1, "no key"),
        (["revoke", "x"], 1, "no key"),
        ([], 2, "required: COMMAND"),
    ],
)
def test_mistakes_are_told(place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str):
    assert main(["keys", *arguments]) == code
    out, err = capsys.readouterr()
    assert (out, told in err) == ("", True), err


def test_limits_that_no_stage_counts_are_told_of(place: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["keys", "create", "--usd", "3"]) == 0
    assert "hold only where" not in capsys.readouterr().err
    assert main(["keys", "create", "--usd", "3", "--parallel", "2"]) == 0
    assert (
        "limits of a key hold only where a stage counts it   (add rate-limit with per: key)" in capsys.readouterr().err
    )
    (place / "pipeline.yaml").write_text(
        "pipeline: [{auth: {keys: [store]}}, {budget: {per: team, usd: 3}}, route, {}]\n"
    )
    assert main(["keys", "create", "--usd", "3"]) == 0
    assert "(add budget with per: key)" in capsys.readouterr().err


def test_a_file_that_does_not_ask_for_stored_keys_is_told_of(place: Path, capsys: pytest.CaptureFixture[str]):
    (place / "pipeline.yaml").write_text("pipeline: [{auth: {keys: ./keys.yaml}}, route]\n")
    assert main(["keys", "list"]) == 0
    assert "no stage asks for the keys of the store" in capsys.readouterr().err
    (place / "pipeline.yaml").write_text("stores: {keys: {pth: x}}\npipeline: []\n")
    assert main(["keys", "list"]) == 1
    assert 'pipeline.yaml:1:17: stores.keys: unknown field "pth"' in capsys.readouterr().err
