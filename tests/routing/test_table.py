"""Where the answers of a model can come from."""

from __future__ import annotations

from proxy.config.types import Duration
from proxy.models import ModelTable
from proxy.providers.provider import Deployment, TimeoutChanges
from proxy.routing.config import Fallback
from proxy.routing.health import Board
from proxy.routing.table import RouteTable
from tests.support.routes import deployment

A, B = deployment("a"), deployment("b")


def test_a_model_is_looked_up_once() -> None:
    models = ModelTable({"m": [A, B], "local/*": [B]})
    table = RouteTable(Board())
    found = table.find("m", models)
    assert found is not None
    assert table.find("m", models) is found
    assert table.find("local/x", models) is table.find("local/x", models)
    assert table.find("m", ModelTable({"m": [A]})) is not found
    assert table.find("missing", models) is None
    assert not found.alone


def test_fallbacks_are_those_of_the_model() -> None:
    models = ModelTable({"m": [A], "n": [B]})
    fallbacks = [Fallback(from_="m*", to=("missing", "n"), errors=("rate_limit",)), Fallback(from_="x", to=("n",))]
    found = RouteTable(Board(), fallbacks).find("m", models)
    assert found is not None
    (way,) = found.ways
    assert [one.deployment.name for one in way.members] == ["b/x"]
    assert way.leads_on_from({"rate_limit"})
    assert not way.leads_on_from({"timeout"})
    other = RouteTable(Board(), fallbacks).find("n", models)
    assert other is not None
    assert (other.ways, other.alone) == ((), True)


def test_limits_of_a_deployment_count_for_more_than_those_of_the_route_and_those_for_more_than_the_upstreams() -> None:
    own = Deployment(A.provider, "x", timeouts=TimeoutChanges(first_token=Duration(5), idle=None))
    route = TimeoutChanges(first_token=Duration(9), total=Duration(60))
    found = RouteTable(Board(), timeouts=route).find("m", ModelTable({"m": [own, B]}))
    assert found is not None
    first, second = (one.deployment.limits for one in found.members)
    assert (first.first_token, first.total, first.idle, first.connect) == (5, 60, None, 5)
    assert (second.first_token, second.total, second.idle) == (9, 60, 120)
    assert B.limits is B.provider.timeouts


def test_prices_are_asked_for_where_they_matter() -> None:
    found = RouteTable(Board(), cost=lambda one: len(one.name)).find("m", ModelTable({"m": [A]}))
    assert found is not None
    assert found.members[0].cost == 3
