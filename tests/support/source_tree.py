"""The sources of the repository as syntax trees, for tests of their layout."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from tests.support.fixtures import ROOT

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


class Module:
    """One source file: where it is, what it is called when imported, and its tree."""

    def __init__(self, path: Path) -> None:
        self.path = path.relative_to(ROOT)
        self.text = path.read_text("utf-8")
        self.lines = len(self.text.splitlines())
        parts = list(self.path.with_suffix("").parts)
        self.is_package = parts[-1] == "__init__"
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.package = ".".join(parts[:-1])

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree; they know their parent as `parent`."""
        nodes: list[ast.AST] = [self.tree]
        for node in nodes:
            for child in ast.iter_child_nodes(node):
                child.parent = node  # type: ignore[attr-defined]
                nodes.append(child)
        return nodes

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, inner ones too."""
        return [node for node in self.nodes if isinstance(node, Function)]

    @cached_property
    def imports(self) -> list[tuple[ast.stmt, str]]:
        """Every import statement with the full names it asks for; those for type checkers only are left out."""
        return [
            (node, name)
            for node in self.nodes
            if isinstance(node, (ast.Import, ast.ImportFrom)) and not _for_types_only(node)
            for name in self._names(node)
        ]

    def _names(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            return
        base = node.module or ""
        if node.level:
            above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        yield from (f"{base}.{alias.name}" for alias in node.names)

    def at(self, node: ast.AST) -> str:
        """Returns where a node is, as an editor understands it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def parents(node: ast.AST) -> Iterator[ast.AST]:
    """Yields what a node stands in, from the inside out."""
    while (node := getattr(node, "parent", None)) is not None:  # type: ignore[assignment]
        yield node


def nesting(function: Function) -> int:
    """Returns how deep the blocks of a function stand in one another; `elif` stands beside its `if`."""
    deepest = 0
    for node in ast.walk(function):
        if isinstance(node, BLOCKS):
            deepest = max(deepest, _depth(node, function))
    return deepest


def _depth(node: ast.AST, function: Function) -> int:
    """Returns the depth of a block in the function that it belongs to; 0 when that is an inner function."""
    depth, inner = 1, node
    for outer in parents(node):
        if isinstance(outer, (*Function.__args__, ast.Lambda)):
            return depth if outer is function else 0
        is_elif = isinstance(outer, ast.If) and isinstance(inner, ast.If) and outer.orelse == [inner]
        if isinstance(outer, BLOCKS) and not is_elif:
            depth += 1
        inner = outer
    return depth


def _for_types_only(node: ast.AST) -> bool:
    return any(isinstance(outer, ast.If) and _checks_types(outer.test) for outer in parents(node))


def _checks_types(test: ast.expr) -> bool:
    named = [node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in ast.walk(test)]
    return "TYPE_CHECKING" in named


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Returns all Python files in these folders of the repository."""
    return tuple(_module(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


@cache
def _module(path: Path) -> Module:
    return Module(path)


@cache
def import_graph(*folders: str) -> dict[str, frozenset[str]]:
    """Returns which module of these folders imports which others when it is imported itself."""
    found = modules(*folders)
    known = {module.name for module in found}
    graph: dict[str, frozenset[str]] = {}
    for module in found:
        targets: set[str] = set()
        for node, name in module.imports:
            if not any(isinstance(outer, Function) for outer in parents(node)):
                targets |= _run_by(name, known)
        own = {module.name, *_ancestors(module.name)}
        graph[module.name] = frozenset(targets - own)
    return graph


def _run_by(name: str, known: set[str]) -> set[str]:
    """Returns the modules that run when a name is imported: the one that it is in, and the packages above."""
    return {part for part in (name, *_ancestors(name)) if part in known}


def _ancestors(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def cycles(graph: dict[str, frozenset[str]]) -> list[list[str]]:
    """Returns the groups of modules that import one another in a circle."""
    reach = {name: _reachable(name, graph) for name in graph}
    groups = {tuple(sorted(other for other in reach[name] if name in reach[other])) for name in graph}
    return [list(group) for group in sorted(groups) if group]


def _reachable(name: str, graph: dict[str, frozenset[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(graph.get(name, ()))
    while waiting:
        target = waiting.pop()
        if target not in found:
            found.add(target)
            waiting += graph.get(target, ())
    return found


def with_all_it_imports(name: str, graph: dict[str, frozenset[str]]) -> set[str]:
    """Returns a module and every module of the graph that importing it runs."""
    return {name, *_reachable(name, graph)}
