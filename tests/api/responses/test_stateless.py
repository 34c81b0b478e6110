import pytest

from tests.support.asked import check_alone, refusal, request, user


def test_a_previous_response_is_not_found():
    error = refusal(previous_response_id="resp_1")
    assert (error.status, error.code, error.param) == (400, "previous_response_not_found", "previous_response_id")
    assert error.message == "Previous response with id 'resp_1' not found."


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_is_not_found(conversation):
    error = refusal(conversation=conversation)
    assert (error.status, error.type, error.param) == (404, "invalid_request_error", "conversation")
    assert "'conv_1'" in error.message


def test_both_at_once_cannot_be():
    error = refusal(conversation="conv_1", previous_response_id="resp_1")
    assert error.code == "mutually_exclusive_parameters"


def test_a_referenced_item_is_named():
    error = refusal(input=[user("x"), {"type": "item_reference", "id": "rs_1"}])
    assert (error.status, error.param) == (404, "input[1]")
    assert error.message.startswith("Item with id 'rs_1' not found.")


def test_a_compaction_is_triggered_at_the_end_only():
    trigger = {"type": "compaction_trigger"}
    check_alone(request(input=[user("x"), trigger]))
    error = refusal(input=[user("x"), trigger, user("y"), trigger])
    assert (error.status, error.code, error.param) == (400, "invalid_value", "input[1]")
    assert "must be the last item" in error.message
