"""What parts tell of themselves."""

from __future__ import annotations

from pathlib import Path

from proxy.ledger.ledger import Ledger
from proxy.ledger.stage import LedgerStage
from proxy.metrics.measure import Measured
from proxy.stage import Stage


def test_a_part_is_asked_when_it_has_something_to_tell(tmp_path: Path) -> None:
    stage = LedgerStage(Ledger(tmp_path / "ledger.db", keep_s=1))
    assert isinstance(stage, Measured)
    assert not isinstance(Stage(), Measured)
    assert [one.name for one in stage.measures()] == [
        "penstock_ledger_waiting_rows",
        "penstock_ledger_lost_rows_total",
    ]
