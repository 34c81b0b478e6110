"""An upstream's error status becomes its provider's error, whether or not its body can be had."""

from __future__ import annotations

import pytest

from proxy.errors import UpstreamCut, UpstreamRefused
from proxy.refusal import raise_for_status
from tests.support.scripted import ScriptedProvider, ScriptedResponse, Step, stream


@pytest.mark.parametrize("steps", [[b'{"error":{}}', None], [UpstreamCut("gone")]])
async def test_an_error_status_is_raised(steps: list[Step]) -> None:
    provider = ScriptedProvider("a", stream())
    with pytest.raises(UpstreamRefused) as caught:
        await raise_for_status(provider, ScriptedResponse(503, {}, steps))
    assert caught.value.status == 503


@pytest.mark.parametrize("status", [200, 201, 299])
async def test_a_good_status_is_not(status: int) -> None:
    await raise_for_status(ScriptedProvider("a", stream()), ScriptedResponse(status, {}, []))
