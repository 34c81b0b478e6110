"""Tokens: one look-up for all who ask, ahead of their end, and never one that is at its end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from proxy.providers.access_tokens import NoCredentials, Token, Tokens, first_line
from tests.support.hostile import until


class Bank:
    """Makes tokens that last for an hour of a clock that stands until it is moved; may be told to wait or to fail."""

    def __init__(self):
        self.time = 1000.0
        self.made = 0
        self.error = None
        self.gate = threading.Event()
        self.gate.set()
        self.tokens = Tokens(self.fetch, "the bank", lambda: self.time)

    def fetch(self):
        assert self.gate.wait(5)
        if self.error is not None:
            raise NoCredentials(self.error)
        self.made += 1
        return Token(f"token-{self.made}", self.time + 3600)

    async def ask(self):
        return (await self.tokens.token()).text


async def test_one_token_serves_until_shortly_before_its_end():
    bank = Bank()
    assert [await bank.ask(), await bank.ask()] == ["token-1", "token-1"]
    bank.time += 3300
    assert await bank.ask() == "token-1"
    assert bank.made == 1


async def test_the_first_token_may_be_looked_for_before_anybody_asks():
    bank = Bank()
    bank.tokens.prepare()
    bank.tokens.prepare()
    assert await bank.ask() == "token-1"
    bank.tokens.prepare()
    assert bank.made == 1


async def test_a_first_token_that_is_not_there_is_told_to_the_log(caplog):
    bank = Bank()
    bank.error = "no key of that name"
    bank.tokens.prepare()
    await until(lambda: bank.tokens._work is None)
    assert "no key of that name" in caplog.text
    bank.error = None
    assert await bank.ask() == "token-1"


async def test_many_that_ask_at_once_wait_for_one_look_up():
    bank = Bank()
    bank.gate.clear()
    asking = [asyncio.create_task(bank.ask()) for _ in range(20)]
    await asyncio.sleep(0)
    bank.gate.set()
    assert set(await asyncio.gather(*asking)) == {"token-1"}
    assert bank.made == 1


async def test_a_token_is_renewed_ahead_of_its_end_and_nobody_waits():
    bank = Bank()
    await bank.ask()
    bank.time += 3400
    bank.gate.clear()
    assert [await bank.ask(), await bank.ask()] == ["token-1", "token-1"]
    bank.gate.set()
    await until(lambda: bank.made == 2)
    await until(lambda: bank.tokens._work is None)
    assert await bank.ask() == "token-2"


async def test_a_token_at_its_end_is_used_no_more():
    bank = Bank()
    await bank.ask()
    bank.time += 3590
    assert await bank.ask() == "token-2"


async def test_a_renewal_that_fails_ahead_of_time_is_tried_again_later(caplog):
    bank = Bank()
    await bank.ask()
    bank.time += 3400
    bank.error = "the server of tokens is away"
    assert await bank.ask() == "token-1"
    await until(lambda: bank.tokens._work is None)
    assert "the server of tokens is away" in caplog.text
    bank.error = None
    assert await bank.ask() == "token-1"
    assert bank.tokens._work is None
    bank.time += 31
    await bank.ask()
    await until(lambda: bank.made == 2)


async def test_without_a_token_the_failure_is_told_and_the_next_one_asks_again():
    bank = Bank()
    bank.error = "no"
    with pytest.raises(NoCredentials, match="no"):
        await bank.ask()
    bank.error = None
    assert await bank.ask() == "token-1"


async def test_a_refused_token_is_renewed_once_for_all():
    bank = Bank()
    refused = await bank.tokens.token()
    renewed = await asyncio.gather(*(bank.tokens.renew(refused) for _ in range(5)))
    assert {token.text for token in renewed} == {"token-2"}
    assert (await bank.tokens.renew(refused)).text == "token-2"
    assert bank.made == 2


async def test_who_stops_waiting_stops_nobody_else():
    bank = Bank()
    bank.gate.clear()
    first, second = asyncio.create_task(bank.ask()), asyncio.create_task(bank.ask())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    bank.gate.set()
    assert await second == "token-1"


async def test_closing_ends_what_is_under_way():
    bank = Bank()
    bank.gate.clear()
    asking = asyncio.create_task(bank.ask())
    await asyncio.sleep(0)
    await bank.tokens.close()
    bank.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await Tokens(bank.fetch, "the bank").close()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 400), "x" * 300),
        (OSError(2, "No such file"), "2"),
    ],
)
def test_the_first_line_of_what_an_error_says(error, line):
    assert first_line(error) == line
