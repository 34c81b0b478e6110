"""How the table that ships is made out of its source."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from proxy.pricing.convert import converted, main
from proxy.pricing.table import FILE
from tests.support.fixtures import SHARED

SOURCE = b"""{"_meta": {"as_of": "2026-01-02", "origin": "here", "unit": "x"}, "models": {
"a/b": {"api": ["chat"], "in": 0.1, "out": 0.30, "image_in": 0.1, "tiers": [{"above": 9, "in": 1e-2}], "ctx": 5}},
"aliases": {"a/c": "a/b"}}"""


def test_prices_are_kept_and_nothing_else() -> None:
    assert converted(SOURCE) == (
        b'{"as_of":"2026-01-02","origin":"here",\n"models":{\n'
        b'"a/b":{"in":0.1,"out":0.30,"tiers":[{"above":9,"in":0.01}]}\n},\n"aliases":{\n"a/c":"a/b"\n}}\n'
    )


def test_a_price_for_images_of_their_own_is_refused() -> None:
    with pytest.raises(ValueError, match="a/b charges images apart"):
        converted(SOURCE.replace(b'"image_in": 0.1', b'"image_in": 0.2'))


def test_it_is_written_where_it_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "source.json").write_bytes(SOURCE)
    assert main([str(tmp_path / "source.json"), str(tmp_path / "target.json")]) == 0
    assert (tmp_path / "target.json").read_bytes() == converted(SOURCE)
    assert main([]) == 2
    assert "SOURCE" in capsys.readouterr().err


@pytest.mark.skipif(SHARED is None, reason="the source is not beside this checkout")
def test_the_table_that_ships_is_that_of_the_source() -> None:
    assert SHARED is not None
    source = (SHARED.parent / "data" / "model_prices.json").read_bytes()
    assert converted(source) == FILE.read_bytes()
    kept, shipped = msgspec.json.decode(source), msgspec.json.decode(FILE.read_bytes())
    assert shipped["aliases"] == kept["aliases"]
    for name, row in shipped["models"].items():
        assert {key: kept["models"][name][key] for key in row} == row
