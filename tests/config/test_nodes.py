"""YAML with places, read by the rules of version 1.2."""

from __future__ import annotations

import math

import pytest
import yaml

from proxy.config import nodes
from proxy.config.nodes import MAX_NODES, Mapping, Scalar, Sequence, compose, plain
from proxy.config.problems import Problems
from proxy.errors import ConfigError
from tests.support.config_nodes import found, node_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("yes", "yes"), ("No", "No"), ("off", "off"), ("y", "y"),
        ("22:30", "22:30"), ("2020-01-01", "2020-01-01"), ("1_000", "1_000"), ("=", "="),
        ("true", True), ("False", False), ("TRUE", True), ("tRue", "tRue"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("'null'", "null"),
        ("0o17", 15), ("017", 17), ("0x1F", 31), ("-3", -3), ("+3", 3), ("0b11", "0b11"),
        ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("-.inf", -math.inf), (".INF", math.inf), ("1.5.0", "1.5.0"),
        ("'12'", "12"), ('"tab\\t"', "tab\t"), ("!!str 12", "12"), ("!!int '12'", 12), ("!!float 3", 3.0),
        ("<<", "<<"),
    ],
)  # fmt: skip
def test_scalars_are_read_by_yaml_1_2(text, value):
    read = plain(node_of(f"key: {text}\n"))["key"]
    assert read == value
    assert type(read) is type(value)


def test_not_a_number_is_a_number():
    assert math.isnan(plain(node_of(".nan")))


TEXT = """\
# first a comment
größe: {é: "ü", x: [1, two]}
list:
  - a
  - b: 'c'
    d: |
      text
"""


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(nodes, "_FastComposer", None)
    elif not yaml.__with_libyaml__:
        # a machine's own build of PyYAML; the other parser, which it falls back to, is tested there all the same
        pytest.skip("PyYAML was built without libyaml")
    return str(request.param)


def test_every_key_and_value_knows_its_place(parser: str):
    root = node_of(TEXT)
    assert isinstance(root, Mapping)
    size, items = root.entries["größe"], root.entries["list"].value
    assert (size.key, size.value.place) == ((2, 1), (2, 8))
    assert isinstance(size.value, Mapping)
    assert isinstance(items, Sequence)
    assert (size.value.entries["é"].key, size.value.entries["é"].value.place) == ((2, 9), (2, 12))
    x = size.value.entries["x"].value
    assert isinstance(x, Sequence)
    assert [item.place for item in x.items] == [(2, 21), (2, 24)]
    second = items.items[1]
    assert isinstance(second, Mapping)
    assert [item.place for item in items.items] == [(4, 5), (5, 5)]
    assert second.entries["d"].value.place == (6, 8)
    assert plain(root) == {"größe": {"é": "ü", "x": [1, "two"]}, "list": ["a", {"b": "c", "d": "text\n"}]}


def test_a_scalar_keeps_how_it_was_written():
    quoted, bare = plain_items("['12', 0x0c]")
    assert (quoted.text, quoted.value, quoted.quoted) == ("12", "12", True)
    assert (bare.text, bare.value, bare.quoted) == ("0x0c", 12, False)


def plain_items(text: str) -> list[Scalar]:
    node = node_of(text)
    assert isinstance(node, Sequence)
    return [item for item in node.items if isinstance(item, Scalar)]


def test_keys_are_text_as_written():
    assert plain(node_of("429: a\ntrue: b\n~: c\n")) == {"429": "a", "true": "b", "~": "c"}


def test_two_escapes_that_are_one_character_are_read_as_json_means_them(parser: str):
    assert plain(node_of(r'{"\ud83d\ude00": "a \ud83c\udf0a b"}')) == {"\U0001f600": "a \U0001f30a b"}


def test_aliases_and_merge_keys(parser: str):
    text = "a: &a {k: 1, j: 2}\nb: &b {k: 3, l: [4]}\nc: {<<: [*a, *b], j: 5}\nd: *b\ne:\n  k: 6\n  <<: *a\n"
    root = plain(node_of(text))
    assert root["c"] == {"j": 5, "k": 1, "l": [4]}
    assert root["d"] == root["b"]
    assert root["e"] == {"k": 6, "j": 2}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: {c: 1, 'c': 2}\n", 'f:2:11: "c" is set twice (first on line 2)   (keep one of them)'),
        ("a: 1\n---\nb: 1\n", 'f:2:1: a second document begins here   (keep one document a file: remove "---")'),
        ("? [a]\n: b\n", "f:1:3: a key must be a word or a number   (write key: value)"),
        ("a: !!int x\n", 'f:1:4: "x" is no !!int   (remove the tag)'),
        ("a: !!set {x, y}\n", 'f:1:4: tag "!!set" has no meaning here   (remove it)'),
        ("a: &a [*a]\n", "f:1:4: an anchor contains itself   (remove the alias inside it)"),
        ("a: \x01\n", "f:1:4: character U+0001 is not allowed   (remove it)"),
        ("[" * 1500, "f:1:1: values are nested too deeply   (flatten the file)"),
        ("[" * 3000 + "]" * 3000, "f:1:1: values are nested too deeply   (flatten the file)"),
        (r'a: "\ud83d x"', "f:1:4: an escape is half of a character   (write the character itself)"),
        ("# nothing\n", "f:1:1: the file is empty   (write upstreams, models and a pipeline)"),
    ],
)
def test_what_is_refused(text, problem, parser: str):
    problems = Problems("f")
    compose(text, problems)
    assert found(problems) == [problem]


def test_anchors_may_not_expand_without_measure():
    levels = "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9))
    with pytest.raises(ConfigError, match=f"more than {MAX_NODES} values"):
        compose("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + levels, Problems("f"))
