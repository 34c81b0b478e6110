"""One server of each test process for all files that ask it for nothing of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.support.serving import KEEPING, Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(config=KEEPING, directory=tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="session")
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=20) as made:
        yield made
