"""Errors of the YAML parser in plain words; those that people make in whole files are in `wrong/`."""

from __future__ import annotations

import pytest

from proxy.config.nodes import compose
from proxy.config.problems import Problems
from tests.support.config_nodes import found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\n\t- b\n", "f:2:1: a tab stands where only spaces may   (use spaces)"),
        ("a: `b`\n", 'f:1:4: a value cannot start with "`"   (put it in quotes)'),
        ("a: {x: 1\nb: 2\n", 'f:2:2: expected "," or "}" here   (close what was opened on line 1)'),
        ("a: 1\nb\nc: 2\n", 'f:2:1: this is no "key: value"   (add ":" and a space after the key)'),
        ("a: 'it's'\n", "f:1:8: the indentation of this line does not fit the lines above   "
         "(start it in the same column as its neighbours)"),
        ("a: !e!x 1\n", "f:1:4: this tag has no meaning here   (remove it)"),
        ("*: 1\n", 'f:1:2: "*" and "&" begin an alias or an anchor in YAML   (put the text in quotes, as in "*")'),
        ("a: b: ${C}\n", 'f:1:5: this ":" stands where no key can be   (write env:C instead of ${C})'),
        ("a: >x\n y\n", "f:1:5: no valid YAML: expected chomping or indentation indicators, but found 'x' "
         "while scanning a block scalar   (mend the syntax, or put the text in quotes)"),
    ],
)  # fmt: skip
def test_the_parser_in_plain_words(text, problem):
    problems = Problems("f")
    assert compose(text, problems) is None
    assert found(problems) == [problem]
