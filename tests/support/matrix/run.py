"""Tries every cell of the matrix on one served Penstock whose upstreams are the fakes."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec

from tests.support.fakes.server import Fake
from tests.support.google_accounts import TokenServer
from tests.support.grammar import STRICT, Profile
from tests.support.matrix.client import Api, Client
from tests.support.matrix.features import TABLES, Cell, Feature, Otherwise
from tests.support.matrix.rows import ACCOUNT, ROWS, Row
from tests.support.responses_streams import LOOSE
from tests.support.serving import serving

WORKS = ""
"""What is found where all came as asked; anywhere else it is told what came."""

_FILE = """\
upstreams:
{upstreams}models:
{models}stores:
  responses: {{kind: sqlite, path: ./penstock.db}}
pipeline:
  - route: {{retries: 0, cooldown: 0}}
  - stream-translate
  - log: {{to: ./log.jsonl}}
"""


class Tried(msgspec.Struct, frozen=True):
    """One way to ask: over which API, streamed or not."""

    api: Api
    stream: bool


Found = dict[Tried, str]
"""What came of a feature, for each way in which it was tried."""


class Matrix(msgspec.Struct):
    """What was found, by row and feature; what is wrong; the costs that were told, by row."""

    found: dict[tuple[str, str], Found] = {}
    wrong: list[str] = []
    mistakes: list[str] = []
    costs: dict[str, list[float | None]] = {}


def ways(row: Row, feature: Feature) -> Iterator[Tried]:
    """Yields the ways in which a feature is tried on a row."""
    for api in ("responses", "chat"):
        if api in feature.apis and not (feature.skips_passing and api in row.passes):
            yield from (Tried(api, stream) for stream in feature.streams)  # type: ignore[arg-type]


async def run() -> Matrix:
    """Returns the whole matrix."""
    matrix = Matrix()
    with tempfile.TemporaryDirectory(prefix="penstock-matrix-") as place:
        directory = Path(place)
        async with AsyncExitStack() as stack:
            tokens = await stack.enter_async_context(TokenServer())
            fakes = {row.name: await stack.enter_async_context(row.fake()) for row in ROWS}
            (directory / ACCOUNT).write_text(tokens.account())
            upstreams = "".join(row.entry(fakes[row.name].origin) for row in ROWS)
            models = "".join(f"  {row.name}: ['{row.name}/{row.model}']\n" for row in ROWS)
            with serving(config=_FILE.format(upstreams=upstreams, models=models), directory=directory) as served:
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
                    ids = await asyncio.gather(
                        *(_try_row(matrix, row, fakes[row.name], session, served.url) for row in ROWS)
                    )
        lines = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
        told = {line["id"]: line["cost"] for line in lines}
    matrix.costs = {row.name: [told[id] for id in of_row] for row, of_row in zip(ROWS, ids, strict=True)}
    matrix.mistakes = [mistake for fake in fakes.values() for mistake in fake.mistakes]
    return matrix


def _profile(row: Row) -> Profile:
    """Returns how strictly streams of Responses are judged: what is passed on keeps what upstreams leave out."""
    if "responses" in row.passes:
        return LOOSE
    return STRICT


async def _try_row(matrix: Matrix, row: Row, fake: Fake, session: aiohttp.ClientSession, url: str) -> list[str]:
    """Tries one row, way by way; returns the ids of the requests whose cost is looked up."""
    costs: list[str] = []
    for feature in (one for table in TABLES for one in table):
        found: Found = {}
        for way in ways(row, feature):
            client = Client(session, url, row.name, api=way.api, stream=way.stream, profile=_profile(row))
            try:
                await feature.tries(Cell(client, row, fake, costs))
                found[way] = WORKS
            except Otherwise as what:
                found[way] = str(what)
            except (AssertionError, LookupError, TypeError, ValueError) as wrong:
                matrix.wrong.append(f"{row.name}, {feature.heading}, {way}: {type(wrong).__name__}: {wrong}")
        matrix.found[row.name, feature.heading] = found
    return costs
