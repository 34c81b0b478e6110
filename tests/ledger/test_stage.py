"""The observer that enters exchanges in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.ledger.ledger import Ledger
from proxy.ledger.spend import Question
from proxy.ledger.stage import LedgerStage, ledger_of
from proxy.stage import Stage
from tests.support.books import ended
from tests.support.drive import drive, exchange_of, texts


async def test_every_exchange_is_entered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    stage = LedgerStage(ledger)
    assert ledger_of([Stage(), stage]) is ledger
    await stage.start()
    await drive(stage, events=texts("hello"))
    assert [one.requests for one in await ledger.spend(Question())] == [1]
    await stage.close()


async def test_only_a_durable_ledger_keeps_the_end_of_an_exchange_waiting(tmp_path: Path) -> None:
    for durable in (False, True):
        stage = LedgerStage(Ledger(tmp_path / "l.db", keep_s=3600, durable=durable))
        await stage.start()
        end = await stage.on_request(exchange_of())
        assert end.ends_at_once is not durable
        entering = end.on_end(ended())
        try:
            entering.send(None)
        except StopIteration:
            waits = False
        else:
            waits = True
            entering.close()
        assert waits is durable
        await stage.close()


async def test_a_ledger_that_cannot_be_kept_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    stage = LedgerStage(Ledger(tmp_path / "missing" / "l.db", keep_s=3600))
    with pytest.raises(ConfigError, match="the ledger cannot be kept"):
        await stage.start()
