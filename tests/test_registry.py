"""Stages found by entry points, and packages that offer them wrongly."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from proxy.errors import ConfigError
from proxy.registry import GROUP, installed_stages
from tests.support import fake_registry
from tests.support.fake_registry import Auth, Log, Route

MODULE = fake_registry.__name__
TUPLE = (Route, Log)
PLACES = {"log": f"{MODULE}:Log", "route": f"{MODULE}:Route"}
WRONG = {"log": f"{MODULE}:Route", "none": f"{MODULE}:NoSuchStage", "lost": "penstock_no_such_module:Stage"}


class OtherAuth(Auth):
    """Takes a name that is taken."""


class Nameless(fake_registry.Stage):
    """Has no name."""


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_registry, "TUPLE", TUPLE, raising=False)
    monkeypatch.setattr(fake_registry, "PLACES", PLACES, raising=False)
    monkeypatch.setattr(fake_registry, "WRONG", WRONG, raising=False)
    monkeypatch.setattr(fake_registry, "OtherAuth", OtherAuth, raising=False)
    monkeypatch.setattr(fake_registry, "Nameless", Nameless, raising=False)


def test_an_entry_point_names_a_stage_or_a_tuple_of_them():
    found = installed_stages([point("b", f"{MODULE}:TUPLE"), point("a", f"{MODULE}:Auth")])
    assert found == {"auth": Auth, "log": Log, "route": Route}
    assert list(found) == ["auth", "log", "route"]


def test_an_entry_point_names_a_mapping_of_where_stages_are():
    assert installed_stages([point("a", f"{MODULE}:PLACES")]) == {"log": Log, "route": Route}


def test_the_same_stage_offered_twice_is_one():
    assert installed_stages([point("a", f"{MODULE}:Auth"), point("b", f"{MODULE}:Auth")]) == {"auth": Auth}
    assert installed_stages([point("a", f"{MODULE}:PLACES"), point("b", f"{MODULE}:TUPLE")])["log"] is Log


def test_a_stage_that_is_not_where_it_should_be_is_told_of_when_it_is_looked_up():
    stages = installed_stages([point("a", f"{MODULE}:WRONG")])
    assert list(stages) == ["log", "lost", "none"]
    start = f'a = {MODULE}:WRONG offers a stage "'
    for name, why in (
        ("log", f'log" that cannot be loaded: {MODULE}:Route is called "route"'),
        ("lost", "lost\" that cannot be loaded: No module named 'penstock_no_such_module'"),
        ("none", 'none" that cannot be loaded: module '),
    ):
        with pytest.raises(ConfigError) as caught:
            stages[name]
        assert caught.value.problems[0].what.startswith(start + why)


def test_everything_that_is_wrong_is_told():
    points = [
        point("a", f"{MODULE}:Auth"),
        point("b", f"{MODULE}:OtherAuth"),
        point("c", "penstock_no_such_module:Stage"),
        point("d", f"{MODULE}:NoSuchStage"),
        point("e", f"{MODULE}:annotations"),
        point("f", f"{MODULE}:Nameless"),
        point("g", f"{MODULE}:PROVIDERS"),
    ]
    with pytest.raises(ConfigError) as caught:
        installed_stages(points)
    told = [problem.what for problem in caught.value.problems]
    assert told[0] == f'b = {MODULE}:OtherAuth offers a stage "auth", which {MODULE}:Auth has already'
    assert told[1] == "c = penstock_no_such_module:Stage cannot be loaded: No module named 'penstock_no_such_module'"
    assert told[2].startswith(f"d = {MODULE}:NoSuchStage cannot be loaded: module ")
    assert told[3].endswith("is no stage with a name")
    assert told[4].startswith(f"f = {MODULE}:Nameless cannot be loaded: <class ")
    assert told[5].endswith("is no name with a module:Class")
    assert len(told) == 6
