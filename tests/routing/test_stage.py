"""What a pipeline gives to stages that choose upstreams."""

from __future__ import annotations

from proxy.assembly import assemble
from proxy.config.loader import load_text
from proxy.routing.health import Board
from proxy.routing.stage import RoutingStage
from tests.support.routes import Clock, refused

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


def test_the_metrics_are_told_how_often_deployments_cooled_down() -> None:
    clock = Clock()
    stage = RoutingStage()
    stage.board = board = Board(clock=clock, cooldown_s=10)
    for after_s in (0, 1, 10):  # the second one finds it cooling already
        clock.now += after_s
        board.begin(health := board.of("a/x"))
        board.failed(health, refused(429), alone=False)
    assert [(one.name, one.value, one.labels) for one in stage.measures()] == [
        ("penstock_cooldowns_total", 2, {"upstream": "a"})
    ]
