"""The settings of the ledger."""

from __future__ import annotations

from pathlib import Path

from proxy.config.loader import load_text
from proxy.ledger.config import make_ledger

TEXT = "upstreams: {e: {kind: echo}}\nmodels: {m: e/m}\npipeline: [route]\nstores: {ledger: {path: x.db, keep: 30d}}\n"


def test_its_file_is_beside_the_pipelines(tmp_path: Path) -> None:
    config = load_text(TEXT, "p.yaml").stores.ledger
    assert config is not None
    assert make_ledger(config, tmp_path).path == tmp_path / "x.db"
    assert (float(config.keep), config.durable) == (30 * 86400, False)
