"""200 MB up and 200 MB down through `penstock serve`, whose memory stays flat meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.passing import PIECE, Came, endpoint
from tests.support.serving import Served, serving

PIECES = 200 * 1024 * 1024 // len(PIECE)
SIZE = PIECES * len(PIECE)
MAY_GROW = 24 * 1024 * 1024
CONFIG = """
upstreams:
  files: {{kind: openai-compatible, base_url: {origin}, api_key: k}}
models:
  m: [files/up-model]
pipeline: [route]
stores:
  responses: {{kind: none}}
"""


def peak(served: Served) -> int:
    """Returns the most memory that the server has had, in bytes."""
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def digest() -> str:
    whole = hashlib.sha256()
    for _ in range(PIECES):
        whole.update(PIECE)
    return whole.hexdigest()


async def pieces(before: bytes = b"", behind: bytes = b"") -> AsyncIterator[bytes]:
    if before:
        yield before
    for _ in range(PIECES):
        yield PIECE
    if behind:
        yield behind


async def answer(request: web.BaseRequest, came: Came) -> web.StreamResponse:
    """Takes uploads; gives a large file."""
    if came.method != "GET":
        return web.json_response({"length": came.length, "digest": came.digest})
    response = web.StreamResponse(headers={"content-length": str(SIZE)} if "known" in came.path else {})
    if "known" not in came.path:
        response.enable_chunked_encoding()
    await response.prepare(request)
    for _ in range(PIECES):
        await response.write(PIECE)
    return response


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
async def test_200_megabytes_each_way() -> None:
    expected = digest()
    async with endpoint(answer) as up:
        with serving(config=CONFIG.format(origin=up.origin)) as served:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
                async with session.get(f"{served.url}/files/small", headers={"range": "x"}) as got:
                    await got.content.readany()
                    got.close()
                before = peak(served)
                await uploaded(session, served, expected)
                await downloaded(session, served, expected)
                grown = peak(served) - before
    assert grown < MAY_GROW, f"{grown / 1e6:.0f} MB more"


async def uploaded(session: aiohttp.ClientSession, served: Served, expected: str) -> None:
    """Sends the bytes as a file of known length, and as a form without one."""
    headers = {"content-length": str(SIZE), "content-type": "application/octet-stream"}
    async with session.post(f"{served.url}/files", data=pieces(), headers=headers) as got:
        assert (await got.json())["digest"] == expected
    named = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
    file = b'--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
    form = pieces(named + file, b"\r\n--b--\r\n")
    headers = {"content-type": "multipart/form-data; boundary=b"}
    async with session.post(f"{served.url}/images/edits", data=form, headers=headers) as got:
        length = len(named.replace(b"\r\nm\r\n", b"\r\nup-model\r\n")) + len(file) + SIZE + len(b"\r\n--b--\r\n")
        assert (await got.json())["length"] == length


async def downloaded(session: aiohttp.ClientSession, served: Served, expected: str) -> None:
    """Reads the bytes, of known length and in chunks; the second time slower than they come."""
    for name in ("known", "chunked"):
        async with session.get(f"{served.url}/files/{name}/content") as got:
            whole = hashlib.sha256()
            count = 0
            while data := await got.content.readany():
                whole.update(data)
                count += 1
                if name == "chunked" and count % 50 == 0:
                    await asyncio.sleep(0.001)
        assert whole.hexdigest() == expected
