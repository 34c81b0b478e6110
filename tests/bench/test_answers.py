import msgspec
import pytest

from bench.answers import Order, chunk, frame, pieces, read_order, whole, word, word_frame
from bench.load import Job, request


def test_no_piece_comes_twice_in_a_stream_and_no_two_streams_are_alike():
    one, other = pieces(1, 5000, 0), pieces(2, 5000, 0)
    assert len(set(one)) == len(one)
    assert not {(a, b) for a, b in zip(one, other, strict=True) if a == b and not a.startswith("@")}


def test_a_prepared_frame_is_the_chunk_of_the_piece():
    assert word_frame(3, 17) == frame(chunk(word(3, 17)))
    assert msgspec.json.decode(chunk("abc")[6:])["choices"][0]["delta"] == {"content": "abc"}


@pytest.mark.parametrize(
    "order", [Order(12, 300, 20.0), Order(0, 10, 2.5, block=1), Order(4, 7, 0, stream=False, usage=False)]
)
@pytest.mark.parametrize("model", ["", "gpt-4o"])
def test_the_upstream_reads_from_a_request_what_the_client_wants(order, model):
    job = Job(port=1, dialect="chat", connections=1, model=model)
    assert read_order(request(job, order).partition(b"\r\n\r\n")[2]) == order


@pytest.mark.parametrize("body", [b'{"model":"gpt-4o"}', b'{"model":"bench-3-20","messages":[]}'])
def test_a_request_that_does_not_say_what_to_answer_is_refused(body):
    with pytest.raises(ValueError, match="does not say"):
        read_order(body)


def test_an_answer_that_is_not_streamed_has_the_same_text():
    answer = msgspec.json.decode(whole(Order(5, 4, 0, stream=False)))
    assert answer["choices"][0]["message"]["content"] == "@0" + word(5, 1) + word(5, 2) + word(5, 3)
    assert answer["usage"]["completion_tokens"] == 4
