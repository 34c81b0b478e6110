import msgspec
import pytest

from bench.answers import Order, whole, word
from bench.checks import WrongAnswer, check_stream, check_whole
from tests.support.bench_answers import BEGAN_NS, blocks

ORDER = Order(7, 6, 20)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_a_good_stream_tells_when_it_began_and_where_its_pieces_end(dialect):
    body = b"".join(blocks(dialect, ORDER))
    checked = check_stream(dialect, body, ORDER)
    assert checked.began_ns == BEGAN_NS
    assert len(checked.ends) == 6
    assert checked.ends == sorted(checked.ends)
    assert all(body[:end].endswith(b"\n\n") for end in checked.ends)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_arguments_of_a_call_are_checked_as_text_is(dialect):
    order = Order(7, 6, 20, tool=True)
    good = blocks(dialect, order)
    assert len(check_stream(dialect, b"".join(good), order).ends) == 7
    for at in range(len(good) - 8, len(good)):
        with pytest.raises(WrongAnswer):
            check_stream(dialect, b"".join([*good[:at], *good[at + 1 :]]), order)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_comments_between_events_are_no_fault(dialect):
    body = b": keep-alive\n\n".join([b"", *blocks(dialect, ORDER)])
    assert len(check_stream(dialect, body, ORDER).ends) == 6


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_every_event_that_is_lost_repeated_or_moved_is_found(dialect):
    good = blocks(dialect, ORDER)
    # the role chunk says nothing that a client would miss, so that losing it is not found
    first = 0 if dialect == "responses" else 1
    spoiled = []
    for at in range(first, len(good)):
        spoiled.append([*good[:at], *good[at + 1 :]])
        spoiled.append([*good[: at + 1], *good[at:]])
        if at + 1 < len(good):
            spoiled.append([*good[:at], good[at + 1], good[at], *good[at + 2 :]])
    for body in spoiled:
        if dialect == "chat" and _usage_and_finish_are_only_moved(good, body):
            continue
        with pytest.raises(WrongAnswer):
            check_stream(dialect, b"".join(body), ORDER)


def _usage_and_finish_are_only_moved(good, body):
    """Tells of a repeated finish or usage chunk, and of the two swapped: harmless to a chat client."""
    pieces, tail = good[:-3], good[-3:-1]
    return body[: len(pieces)] == pieces and body[-1] == good[-1] and set(body[len(pieces) : -1]) == set(tail)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_a_piece_of_another_stream_is_found(dialect):
    mine, other = blocks(dialect, ORDER), blocks(dialect, Order(8, 6, 20))
    at = next(index for index, one in enumerate(mine) if word(7, 3).encode() in one)
    with pytest.raises(WrongAnswer, match="piece 3"):
        check_stream(dialect, b"".join([*mine[:at], other[at], *mine[at + 1 :]]), ORDER)


@pytest.mark.parametrize("kind", ["output_text.done", "content_part.done", "output_item.done", "completed"])
def test_the_text_that_closing_events_repeat_is_checked(kind):
    good = blocks("responses", ORDER)
    at = next(index for index, one in enumerate(good) if one.startswith(b"event: response." + kind.encode()))
    body = [*good[:at], good[at].replace(b"@123", b"@124"), *good[at + 1 :]]
    with pytest.raises(WrongAnswer, match=kind):
        check_stream("responses", b"".join(body), ORDER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sequence_number":6', b'"sequence_number":5'),
        (b'"output_tokens":6', b'"output_tokens":5'),
        (b"event: response.completed", b"event: response.failed"),
        (b'"status":"completed","completed_at"', b'"status":"failed","completed_at"'),
    ],
)
def test_numbers_names_usage_and_status_are_checked(old, new):
    body = b"".join(blocks("responses", ORDER))
    assert old in body
    with pytest.raises(WrongAnswer):
        check_stream("responses", body.replace(old, new), ORDER)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@pytest.mark.parametrize(
    "body", [b"", b"data: {}", b"data: {\n\n", b"data: 1\n\n", b"nonsense\n\n", b"data: [DONE]\n\n"]
)
def test_what_is_no_stream_is_wrong(dialect, body):
    with pytest.raises(WrongAnswer):
        check_stream(dialect, body, ORDER)


def test_an_answer_that_is_not_streamed_is_checked():
    order = Order(3, 5, 0, stream=False)
    body = whole(order)
    check_whole("chat", body, order)
    used = body.replace(b'"completion_tokens":5', b'"completion_tokens":4')
    for wrong in (body.replace(b"@0 ", b"@0"), used, b"{}", b"no"):
        with pytest.raises(WrongAnswer):
            check_whole("chat", wrong, order)
    with pytest.raises(WrongAnswer):
        check_whole("responses", body, order)


def test_what_is_not_strict_may_cut_pieces_anew():
    order = Order(7, 6, 20, tool=True)
    good = blocks("responses", order)
    first = next(at for at, one in enumerate(good) if b'"delta":"{' in one)
    assert len(check_stream("responses", b"".join(good), order, strict=False).ends) == 7
    delta = msgspec.json.decode(good[first].partition(b"data: ")[2])
    halves = [{**delta, "delta": delta["delta"][:9]}, {**delta, "delta": delta["delta"][9:]}]
    cut = [b"data: " + msgspec.json.encode(half) + b"\n\n" for half in halves]
    body = b"".join([*good[:first], *cut, *good[first + 1 :]])
    checked = check_stream("responses", body, order, strict=False)
    assert (checked.began_ns, len(checked.ends)) == (BEGAN_NS, 7)
    assert checked.ends == sorted(checked.ends)
    assert body[: checked.ends[0]].endswith(cut[1])  # a piece is there when the last of it is
    with pytest.raises(WrongAnswer):
        check_stream("responses", body.replace(cut[1], b""), order, strict=False)


def test_what_is_not_strict_may_leave_out_names_and_numbers_but_no_text():
    bare = [
        b"\n".join(line for line in one.split(b"\n") if not line.startswith(b"event: "))
        for one in blocks("responses", ORDER)
    ]
    assert len(check_stream("responses", b"".join(bare), ORDER, strict=False).ends) == 6
    for at in range(len(bare)):
        with pytest.raises(WrongAnswer):
            check_stream("responses", b"".join([*bare[:at], *bare[at + 1 :]]), ORDER, strict=False)
