import msgspec
import pytest

from proxy.api import invalid


class Inner(msgspec.Struct):
    text: str


class Outer(msgspec.Struct):
    parts: list[Inner]
    count: int | None = None
    content: str | list[Inner] = ""


def decoding_error(body: bytes):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        msgspec.json.decode(body, type=Outer)
    return invalid.from_decoding(caught.value, "input[3]")


@pytest.mark.parametrize(
    ("body", "code", "param", "message"),
    [
        (b"{}", "missing_required_parameter", "input[3].parts", "Missing required parameter: 'input[3].parts'."),
        (b'{"parts":null}', "missing_required_parameter", "input[3].parts", None),
        (b'{"parts":[{"text":null}]}', "missing_required_parameter", "input[3].parts[0].text", None),
        (b'{"parts":[{}]}', "missing_required_parameter", "input[3].parts[0].text", None),
        (
            b'{"parts":[],"count":"x"}',
            "invalid_type",
            "input[3].count",
            "Invalid type for 'input[3].count': expected an integer, but got a string instead.",
        ),
        (
            b'{"parts":[],"content":5}',
            "invalid_type",
            "input[3].content",
            "Invalid type for 'input[3].content': expected one of a string or an array, but got an integer instead.",
        ),
        (b'{"parts":[', "invalid_json", "input[3]", None),
        (b'{"parts":[{"text":"\xff"}]}', "invalid_json", "input[3]", None),
    ],
)
def test_what_decoding_says_becomes_the_words_of_the_api(body, code, param, message):
    error = decoding_error(body)
    assert (error.status, error.type, error.code, error.param) == (400, "invalid_request_error", code, param)
    assert message is None or error.message == message


def test_a_bad_value_names_the_good_ones():
    error = invalid.bad_value("truncation", "maybe", ("auto", "disabled"))
    assert error.message == "Invalid value: 'maybe'. Supported values are: 'auto' and 'disabled'."
    assert invalid.bad_value("x", "y", ("a", "b", "c")).message.endswith("'a', 'b', and 'c'.")
    assert invalid.bad_value("x", "y", ("a",)).message.endswith("Supported values are: 'a'.")
    assert len(invalid.bad_value("x", "y" * 10_000).message) < 200


@pytest.mark.parametrize(
    ("value", "low", "high", "code"),
    [
        (0, 1, None, "integer_below_min_value"),
        (21, 0, 20, "integer_above_max_value"),
        (-0.5, 0, 2, "decimal_below_min_value"),
        (2.5, 0, 2, "decimal_above_max_value"),
    ],
)
def test_ranges(value, low, high, code):
    error = invalid.out_of_range("p", value, low, high)
    assert error.code == code
    assert str(value) in error.message


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("string", "string_above_max_length"),
        ("array", "array_above_max_length"),
        ("object", "object_above_max_properties"),
    ],
)
def test_lengths(kind, code):
    error = invalid.too_long("p", 70, 64, kind)
    assert error.code == code
    assert "64" in error.message
    assert "70" in error.message


def test_empty_strings_and_good_values_that_cannot_be_served():
    assert invalid.too_short("p").code == "string_below_min_length"
    assert invalid.unsupported("p", "No.").code == "unsupported_value"
