"""What a pipeline gives to stages that choose upstreams."""

from __future__ import annotations

from proxy.assembly import assemble
from proxy.config.loader import load_text
from proxy.routing.stage import RoutingStage

FILE = """upstreams: {a: {kind: echo}, b: {kind: echo}}
models: {m: [a/dear, b/cheap]}
prices: {a/dear: {input: 2, output: 2}, b/cheap: {input: 1, output: 1}}
pipeline: [{route: {strategy: cost}}, stream-translate]
"""


def test_stages_that_choose_get_the_prices_of_the_file() -> None:
    pipeline = assemble(load_text(FILE, "p.yaml"))
    (stage,) = [one for one in pipeline.stages if isinstance(one, RoutingStage)]
    assert stage.prices is pipeline.prices
    assert list(stage.board.standings()) == []
