"""From a checked file to a pipeline that can be started."""

from __future__ import annotations

from proxy.assembly import assemble
from proxy.config.loader import load_text

FILE = """\
limits: {keepalive_comment: 3s}
upstreams:
  echo: {kind: echo}
  gone: {kind: openai, requires_env: A_VARIABLE_THAT_NOBODY_SETS, api_key: env:A_VARIABLE_THAT_NOBODY_SETS}
models:
  a: [{use: echo/echo, weight: 3}]
  "b-*": [echo/echo-*]
  "c-*": [gone/c-*]
pipeline: [route, stream-translate]
stores: {responses: {kind: memory}}
"""


async def test_a_file_becomes_a_pipeline() -> None:
    pipeline = assemble(load_text(FILE, "test"))
    await pipeline.start()
    try:
        assert [stage.name for stage in pipeline.stages] == ["route", "stream-translate"]
        assert pipeline.keepalive_s == 3.0
        [one] = pipeline.models.resolve("a")
        assert (one.name, one.weight) == ("echo/echo", 3)
        assert [one.name for one in pipeline.models.resolve("b-x")] == ["echo/echo-x"]
        assert pipeline.models.resolve("c-x") == ()
        assert "A_VARIABLE_THAT_NOBODY_SETS" in (pipeline.models.why_unavailable("c-x") or "")
    finally:
        await pipeline.close()
