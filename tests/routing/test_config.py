"""What the file may say of fallbacks, hedges and mirrors."""

from __future__ import annotations

import pytest

from proxy.config.loader import load_text
from proxy.errors import ConfigError

FILE = """upstreams: {{a: {{kind: echo}}, b: {{kind: echo}}}}
models: {{m: [{{use: a/x, weight: 9, timeouts: {{first_token: 2s, idle: null}}}}, b/x], n: b/x}}
pipeline:
  - route: {{{}}}
  - stream-translate
"""


def test_everything_may_be_said() -> None:
    text = FILE.format(
        "strategy: latency, sticky: true, deadline: 1m, cooldown: 0s, cooldown_after: 1, timeouts: {total: 1m}, "
        "hedge: {after: 500ms}, mirror: {from: m, to: n, percent: 5}, "
        "fallbacks: [{from: m, to: [n], errors: [context_window, rate_limit]}]"
    )
    config = load_text(text, "p.yaml")
    first, second = config.models["m"]
    assert first.timeouts is not None
    assert (first.timeouts.first_token, first.timeouts.idle, second.timeouts) == (2.0, None, None)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("hedge: {after: 0s}", "4:20: route.hedge: after is 0"),
        ("hedge: {}", 'route.hedge: "after" is missing'),
        ("mirror: {to: nobody}", 'route.mirror.to: unknown model "nobody"'),
        ("mirror: {to: n, percent: 0}", "route.mirror.percent"),
        ("fallbacks: [{from: m, to: [n], errors: [timeouts]}]", 'errors[0]: invalid value "timeouts"'),
        ("strategy: least_busy", 'route.strategy: invalid value "least_busy"'),
        ("timeouts: {between_chunks: 1s}", 'route.timeouts: unknown field "between_chunks"'),
    ],
)
def test_mistakes_are_found_when_the_file_is_loaded(said: str, what: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_text(FILE.format(said), "p.yaml")
    assert what in str(refused.value)
