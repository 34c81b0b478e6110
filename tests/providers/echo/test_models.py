"""The names of the echo models."""

from __future__ import annotations

import pytest

from proxy.providers.echo import models
from proxy.providers.echo.directives import Step
from proxy.providers.echo.models import model_names, model_pace, model_step


def test_every_name_that_is_shown_is_a_model_and_documented() -> None:
    for name in model_names():
        assert model_step(name) is not None
        assert name.replace("503", "<status>") in models.__doc__ or name.startswith("echo-error-")


@pytest.mark.parametrize(
    "name", ["", "gpt-4o", "echo2", "echo-", "echo-error", "echo-error-", "echo-error-200", "echo-error-x"]
)
def test_other_names_are_none(name) -> None:
    assert model_step(name) is None


def test_steps_are_not_shared() -> None:
    model_step("echo").say = "x"
    assert model_step("echo") == Step()


def test_errors_of_any_status() -> None:
    assert model_step("echo-error-418") == Step(status=418)


def test_pace() -> None:
    assert model_pace("echo", 0) == 0
    assert model_pace("echo", 30) == 30
    assert model_pace("echo-slow", 30) == 5
