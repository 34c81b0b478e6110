"""The key that a pipeline is shown, when it is not given with the call."""

from __future__ import annotations

import pytest

from proxy.errors import NotFound, Unauthorized
from proxy.inprocess.asked import Asked, of_body
from proxy.inprocess.penstock import Penstock
from tests.support.inprocess import KEYS


async def test_the_key_of_the_pipeline_stands_in_for_that_of_the_call() -> None:
    async with Penstock.from_text(KEYS, api_key="the-key-of-alice") as penstock:
        made = await penstock.aresponses("hi", "m")
        assert (await penstock.aget_responses(made.id)).id == made.id
        with pytest.raises(NotFound):
            await penstock.aget_responses(made.id, api_key="the-key-of-bob")
        with pytest.raises(Unauthorized):
            await penstock.aresponses("hi", "m", api_key="nobodys", stream=True)


def test_what_was_not_given_is_left_out() -> None:
    assert of_body(input="hi", model=None, stream=False) == {"input": "hi", "stream": False}


def test_one_that_was_never_made_whole_is_let_go_of_quietly() -> None:
    Asked.__new__(Asked).__del__()
