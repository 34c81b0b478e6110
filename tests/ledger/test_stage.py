"""The observer that enters exchanges in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.ledger.ledger import Ledger
from proxy.ledger.spend import Question
from proxy.ledger.stage import LedgerStage, ledger_of
from proxy.stage import Stage
from tests.support.drive import drive, texts


async def test_every_exchange_is_entered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    stage = LedgerStage(ledger)
    assert ledger_of([Stage(), stage]) is ledger
    await stage.start()
    await drive(stage, events=texts("hello"))
    assert [one.requests for one in await ledger.spend(Question())] == [1]
    await stage.close()


async def test_a_ledger_that_cannot_be_kept_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    stage = LedgerStage(Ledger(tmp_path / "missing" / "l.db", keep_s=3600))
    with pytest.raises(ConfigError, match="the ledger cannot be kept"):
        await stage.start()
