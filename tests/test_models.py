"""ModelTable: which deployments stand behind a name."""

from __future__ import annotations

import pytest

from proxy.models import NO_MODELS, ModelTable
from proxy.providers.provider import Deployment
from tests.support.fake_registry import FakeProvider

LOCAL, CLOUD = FakeProvider("local", None), FakeProvider("cloud", None)


def names(found: tuple[Deployment, ...]) -> list[str]:
    """Returns deployments as written in the file."""
    return [one.name for one in found]


def test_an_exact_name_has_its_deployments_in_order() -> None:
    group = [Deployment(LOCAL, "a"), Deployment(CLOUD, "b", 3.0)]
    found = ModelTable({"fast": group}).resolve("fast")
    assert names(found) == ["local/a", "cloud/b"]
    assert found[1].weight == 3.0


def test_an_unknown_name_has_none() -> None:
    assert ModelTable({"fast": [Deployment(LOCAL, "a")]}).resolve("slow") == ()
    assert NO_MODELS.resolve("fast") == ()


def test_a_wildcard_fills_in_what_it_stands_for() -> None:
    models = ModelTable({"local/*": [Deployment(LOCAL, "*", 2.0), Deployment(CLOUD, "big")]})
    found = models.resolve("local/llama3.2")
    assert names(found) == ["local/llama3.2", "cloud/big"]
    assert found[0].weight == 2.0


def test_a_wildcard_may_stand_anywhere_and_stands_for_something() -> None:
    models = ModelTable({"my-*-chat": [Deployment(LOCAL, "x-*-y")]})
    assert names(models.resolve("my-7b-chat")) == ["local/x-7b-y"]
    assert models.resolve("my--chat") == ()
    assert models.resolve("my-chat") == ()


def test_an_exact_name_wins_and_then_the_longest_wildcard() -> None:
    models = ModelTable({
        "*": [Deployment(LOCAL, "any")], "gpt-*": [Deployment(CLOUD, "gpt")], "gpt-5": [Deployment(CLOUD, "five")]
    })  # fmt: skip
    assert names(models.resolve("gpt-5")) == ["cloud/five"]
    assert names(models.resolve("gpt-4")) == ["cloud/gpt"]
    assert names(models.resolve("other")) == ["local/any"]


def test_the_same_name_gives_the_same_deployments_again() -> None:
    models = ModelTable({"*": [Deployment(LOCAL, "*")]})
    assert models.resolve("a") is models.resolve("a")


def test_names_that_clients_make_up_are_not_kept_for_ever() -> None:
    models = ModelTable({"*": [Deployment(LOCAL, "*")]})
    for number in range(3000):
        models.resolve(f"made-up-{number}")
        models.resolve("long" * 100 + str(number))
    assert len(models._remembered) <= 1024
    assert max(map(len, models._remembered)) <= 256


@pytest.mark.parametrize(
    ("name", "reason"),
    [("fast", "no key"), ("cloud/x", "no region"), ("cloud/y", "named"), ("cloud/", None), ("z", None)],
)
def test_why_a_model_is_not_served(name: str, reason: str | None) -> None:
    models = ModelTable({}, {"cloud/*": "no region", "fast": "no key", "cloud/y": "named"})
    assert models.why_unavailable(name) == reason


def test_names_are_listed_as_in_the_file() -> None:
    models = ModelTable({name: [Deployment(LOCAL, "*")] for name in ("b", "x/*", "a")})
    assert models.names() == ["b", "a"]
    assert [(prefix, suffix, names(found)) for prefix, suffix, found in models.wildcards()] == [("x/", "", ["local/*"])]
