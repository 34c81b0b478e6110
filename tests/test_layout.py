"""The limits of layout that every file keeps: sizes, nesting, imports, docs, tests beside sources."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.fixtures import ROOT
from tests.support.source_tree import (
    Function,
    Module,
    cycles,
    import_graph,
    modules,
    nesting,
    parents,
    with_all_it_imports,
)

SOURCES = modules("proxy", "stages")
EVERYTHING = modules("proxy", "stages", "tests", "bench")

OPTIONAL = (
    "ahocorasick",
    "aiobotocore",
    "asyncpg",
    "azure",
    "botocore",
    "google",
    "jwt",
    "openai",
    "opentelemetry",
    "presidio_analyzer",
    "prometheus_client",
    "re2",
    "redis",
)
"""Dependencies that not everyone has: only these may be imported inside a function, where they are needed."""

SANS_IO = (
    "proxy/events.py",
    "proxy/sse/*.py",
    "proxy/api/*/*encoder*.py",
    "proxy/providers/*/*decoder*.py",
)
"""Bytes or events in, bytes or events out: neither these nor anything they import may know of an event loop."""
EVENT_LOOPS = ("aiohttp", "asyncio", "socket", "uvloop")

WITHOUT_OWN_TEST = {
    "proxy/api/responses/encoder_options.py": "a struct without behaviour",
    "proxy/errors.py": "a tree of classes; what they turn into is tested where it is done",
    "proxy/events.py": "structs without behaviour",
    "proxy/exchange.py": "a record that every test of the pipeline fills",
    "proxy/providers/provider.py": "interfaces",
    "proxy/stage.py": "interfaces; tests/test_pipeline.py runs them",
    "proxy/upstream/client.py": "interfaces",
}
TESTS_OF_THE_WHOLE = ("bench", "clients", "e2e", "golden", "properties")
"""Folders of tests, and files of tests below, that belong to no single source file."""
WHOLE = ("tests/test_examples.py", "tests/test_layout.py", "tests/test_readme.py")


def report(found: list[str]) -> None:
    assert not found, "\n" + "\n".join(found)


def test_files_are_short():
    report([f"{module.path}: {module.lines} lines" for module in EVERYTHING if module.lines > 500])
    assert statistics.median(module.lines for module in SOURCES) <= 150


def test_a_stage_is_read_in_two_minutes():
    report([f"{module.path}: {module.lines} lines" for module in modules("stages") if module.lines > 250])


def test_functions_are_short():
    found = []
    for module in SOURCES:
        for function in module.functions:
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > 60:
                found.append(f"{module.at(function)}: {function.name} has {lines} lines")
    report(found)


def test_functions_are_flat():
    report(
        [
            f"{module.at(function)}: {function.name} nests {nesting(function)} deep"
            for module in SOURCES
            for function in module.functions
            if nesting(function) > 4
        ]
    )


def test_functions_take_few_parameters():
    found = []
    for module in SOURCES:
        for function in module.functions:
            names = [argument.arg for argument in parameters(function)]
            if len(names) > 7:
                found.append(f"{module.at(function)}: {function.name} takes {len(names)}")
    report(found)


def parameters(function: Function) -> list[ast.arg]:
    """Returns the parameters of a function, without `self`, `cls`, `*args` and `**kwargs`."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument for argument in every if argument.arg not in ("self", "cls", "mcs")]


def test_booleans_are_named_where_they_are_passed():
    found = []
    for module in SOURCES:
        for function in module.functions:
            positional = [*function.args.posonlyargs, *function.args.args]
            defaults = [None] * (len(positional) - len(function.args.defaults)) + list(function.args.defaults)
            for argument, default in zip(positional, defaults, strict=True):
                defaulted = isinstance(default, ast.Constant) and isinstance(default.value, bool)
                if defaulted or may_be_boolean(argument.annotation):
                    found.append(f"{module.at(function)}: {function.name}({argument.arg})")
    report(found)


def may_be_boolean(annotation: ast.expr | None) -> bool:
    if isinstance(annotation, ast.BinOp):
        return may_be_boolean(annotation.left) or may_be_boolean(annotation.right)
    return isinstance(annotation, ast.Name) and annotation.id == "bool"


def test_there_is_no_circle_of_imports():
    report([" -> ".join(group) for group in cycles(import_graph("proxy", "stages"))])


def test_a_circle_of_imports_would_be_found():
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"}), "d": frozenset({"a"})}
    assert cycles(graph) == [["a", "b", "c"]]


def test_imports_stand_at_the_top():
    found = []
    for module in SOURCES:
        for node, name in module.imports:
            inside = any(isinstance(outer, Function) for outer in parents(node))
            if inside and name.partition(".")[0] not in OPTIONAL:
                found.append(f"{module.at(node)}: imports {name} inside a function")
    report(found)


def test_the_engine_does_not_know_the_stages():
    report(
        [
            f"{module.at(node)}: imports {name}"
            for module in modules("proxy")
            for node, name in module.imports
            if name.partition(".")[0] == "stages"
        ]
    )


def test_stages_know_the_engine_and_not_each_other():
    found = []
    for module in modules("stages"):
        for node, name in module.imports:
            if name.partition(".")[0] == "stages" and not module.is_package:
                found.append(f"{module.at(node)}: imports {name}")
            if name.startswith("proxy.") and re.search(r"\._[a-z]", name):
                found.append(f"{module.at(node)}: imports the private {name}")
    report(found)


def test_inside_a_package_imports_are_relative():
    report(
        [
            f"{module.at(node)}: imports {name} by its full name"
            for module in SOURCES
            for node, name in module.imports
            if name.partition(".")[0] == module.name.partition(".")[0] and not getattr(node, "level", 0)
        ]
    )


@pytest.mark.parametrize(
    "module",
    [module for module in SOURCES if any(fnmatch(module.path.as_posix(), pattern) for pattern in SANS_IO)],
    ids=lambda module: module.name,
)
def test_the_machines_know_of_no_event_loop(module: Module):
    run = with_all_it_imports(module.name, import_graph("proxy", "stages"))
    report(
        [
            f"{other.at(node)}: imports {name}"
            for other in SOURCES
            if other.name in run
            for node, name in other.imports
            if name.partition(".")[0] in EVENT_LOOPS
        ]
    )


def test_the_machines_are_found():
    for pattern in SANS_IO:
        assert any(fnmatch(module.path.as_posix(), pattern) for module in SOURCES), pattern


def test_every_public_name_is_documented():
    found = []
    for module in SOURCES:
        for node in [module.tree, *public_names(module)]:
            if ast.get_docstring(node) is None:
                found.append(f"{module.at(node)}: {getattr(node, 'name', 'module')} has no docstring")
    report(found)


def public_names(module: Module) -> list[ast.ClassDef | Function]:
    """Returns public classes, functions and methods: no part of their path begins with an underscore."""
    nodes = [node for node in module.nodes if isinstance(node, (ast.ClassDef, *Function.__args__))]
    return [node for node in nodes if is_public(node)]


def is_public(node: ast.ClassDef | Function) -> bool:
    outer = [each for each in parents(node) if isinstance(each, (ast.ClassDef, *Function.__args__))]
    if any(isinstance(each, Function) for each in outer):
        return False
    return not any(each.name.startswith("_") for each in (node, *outer))


def test_every_public_function_is_typed():
    found = []
    for module in SOURCES:
        for node in public_names(module):
            if isinstance(node, Function):
                untyped = [argument.arg for argument in parameters(node) if argument.annotation is None]
                untyped += [] if node.returns is not None else ["return"]
                found += [f"{module.at(node)}: {node.name} leaves {name} untyped" for name in untyped]
    report(found)


def test_no_module_is_a_drawer():
    drawers = ("utils", "util", "helpers", "common", "misc")
    report([str(module.path) for module in EVERYTHING if module.path.stem.strip("_") in drawers])


def own_test(source: Path) -> Path:
    """Returns where the test of a source file is: `proxy/a/b.py` in `tests/a/test_b.py`, stages in `tests/stages`."""
    inside = source.relative_to("proxy") if source.parts[0] == "proxy" else source
    return Path("tests") / inside.parent / f"test_{inside.stem.strip('_')}.py"


def test_every_source_has_its_test():
    found = []
    for module in SOURCES:
        excused = module.path.stem in ("__init__", "__main__") or module.path.as_posix() in WITHOUT_OWN_TEST
        if not excused and not (ROOT / own_test(module.path)).exists():
            found.append(f"{module.path}: {own_test(module.path)} is missing")
    report(found)


def test_every_test_has_its_source():
    """A second test of one source adds a word to its name; a suite for all implementations is `test_any_...`."""
    expected = {own_test(module.path).with_suffix("").as_posix() for module in SOURCES}
    found = []
    for module in modules("tests"):
        path = module.path.with_suffix("").as_posix()
        whole = module.path.as_posix() in WHOLE or module.path.parts[1] in TESTS_OF_THE_WHOLE
        known = path in expected or any(path.startswith(f"{test}_") for test in expected)
        suite = module.path.name.startswith("test_any_")
        if module.path.name.startswith("test_") and not (whole or known or suite):
            found.append(f"{module.path}: there is no source file of that name")
    report(found)


def test_no_exception_is_out_of_date():
    paths = {module.path.as_posix() for module in SOURCES}
    report([path for path in WITHOUT_OWN_TEST if path not in paths])


def test_no_path_of_a_machine_stands_in_the_tree():
    machine = re.compile(r"(?<![\w.])/(?:work|root|farm)/")
    suffixes = (".py", ".yaml", ".yml", ".md", ".json", ".toml", ".mjs", ".js", ".sh", ".cfg", "")
    folders = ("proxy", "stages", "tests", "bench", "docs", "examples", "changelog.d", ".ci")
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    found = []
    for path in files:
        if path.suffix in suffixes and not {"__pycache__", "node_modules"} & set(path.parts):
            text = path.read_text("utf-8", "replace")
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in machine.finditer(text)]
    report(found)


def test_importing_the_engine_is_quick():
    command = "import time; began = time.process_time(); import proxy; print(time.process_time() - began)"
    times = [
        float(subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3
