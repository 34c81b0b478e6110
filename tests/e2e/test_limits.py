"""Limits and budgets over several processes: exact at once, and equal to the ledger after everything went wrong."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.limited import FILE, Limited
from tests.support.redis_server import redis_server
from tests.support.serving import serving

MOST = 100
BURST = 400


@pytest.fixture(params=["four workers", "three processes and Redis"])
async def limited(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Limited]:
    with ExitStack() as stack:
        places = [tmp_path / str(number) for number in range(1 if request.param == "four workers" else 3)]
        if len(places) == 1:
            text = FILE.format(workers=4, most=MOST, counters="{kind: shared, lease: 4s}")
        else:
            url = stack.enter_context(redis_server()).url
            counters = f"{{kind: redis, url: '{url}', lease: 4s, timeout: 20s, on_failure: closed}}"
            text = FILE.format(workers=1, most=MOST, counters=counters)
        for place in places:
            place.mkdir()
        urls = [stack.enter_context(serving(config=text, directory=place)).url for place in places]
        one = Limited(urls, [place / "log.jsonl" for place in places])
        yield one
        await one.session.close()
    for place in places:
        shutil.rmtree(place)


async def test_8_2_exact_at_once_and_equal_to_the_ledger_in_the_end(limited: Limited) -> None:
    assert await limited.burst(BURST, 200) == {200: MOST, 429: BURST - MOST}
    await limited.faults(60)
    await limited.agree()
    streams = await limited.stalled(9)
    rows = {row["counter"]: row for row in await limited.shown()}
    held = rows["rate-limit parallel per model: model=faulty"]
    assert (held["held"], sum(holder["amount"] for holder in held["holders"])) == (9, 9)
    lost = held["holders"][0]["amount"]
    await limited.kill_a_holder()
    for stream in streams:
        stream.close()
    await limited.agree(lost_requests=lost)
