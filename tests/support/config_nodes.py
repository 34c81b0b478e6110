"""Reads a piece of YAML as the loader does, for tests of what comes after the reading."""

from __future__ import annotations

from proxy.config.nodes import Node, compose
from proxy.config.problems import Problems
from proxy.config.types import Sources

NOTHING = Sources({})


def node_of(text: str) -> Node:
    """Returns the root node of a text that has no mistakes."""
    problems = Problems("f")
    node = compose(text, problems)
    assert node is not None
    assert not problems.errors
    return node


def found(problems: Problems) -> list[str]:
    """Returns what was found so far, as it is printed."""
    return [str(problem) for problem in (*problems.errors, *problems.warnings)]
