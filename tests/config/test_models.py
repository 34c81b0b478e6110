"""Models and their deployments; mistakes are in `wrong/`."""

from __future__ import annotations

from proxy.config.file import DeploymentEntry, Skipped
from proxy.config.models import read_models
from proxy.config.problems import Problems
from proxy.config.upstreams import Upstreams
from tests.support.config_nodes import found, node_of

UPSTREAMS = Upstreams(names=("a", "b", "gone"), skipped={"gone": Skipped("upstream", "gone", "no key")})


def test_all_forms_of_targets():
    problems = Problems("f")
    text = (
        "one: a/x\ntwo: [a/x/y, {use: b/z, weight: 2}]\nthree: {use: a/x:free, weight: 0.5}\n"
        '"p-*": a/q-*-r\n"*": b/fixed\n'
    )
    models, skipped = read_models(node_of(text), UPSTREAMS, problems)
    assert models == {
        "one": (DeploymentEntry("a", "x"),),
        "two": (DeploymentEntry("a", "x/y"), DeploymentEntry("b", "z", 2.0)),
        "three": (DeploymentEntry("a", "x:free", 0.5),),
        "p-*": (DeploymentEntry("a", "q-*-r"),),
        "*": (DeploymentEntry("b", "fixed"),),
    }
    assert (skipped, found(problems)) == ([], [])


def test_deployments_on_skipped_upstreams_vanish():
    problems = Problems("f")
    models, skipped = read_models(node_of("one: [gone/x, a/x]\ntwo: [gone/x, gone/y]\n"), UPSTREAMS, problems)
    assert models == {"one": (DeploymentEntry("a", "x"),)}
    assert skipped == [Skipped("model", "two", "no key")]
    assert found(problems) == []


def test_where_the_upstreams_are_unknown_none_is_missed():
    problems = Problems("f")
    read_models(node_of("one: [a/x]\n"), Upstreams(), problems)
    assert found(problems) == []
