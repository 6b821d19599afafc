import pytest
from hypothesis import given

from ipcluster_ext.protocol.ids import (
    CLIENT_ID_LIMIT,
    ClientId,
    TaskId,
    client_of,
    first_task,
    parse_task,
    task_text,
)
from tests.strategies import client_ids, task_ids


def test_a_task_id_is_written_as_its_client_in_hexadecimal_and_its_count() -> None:
    task = first_task(ClientId(0x1F3A09BC), 17)

    assert task_text(task) == "1f3a09bc-17"


@given(task_ids)
def test_a_task_id_survives_being_written_and_read(task: TaskId) -> None:
    assert parse_task(task_text(task)) == task


@given(client_ids)
def test_a_task_id_tells_its_client_up_to_the_last_count(client: ClientId) -> None:
    assert client_of(first_task(client, 0)) == client
    assert client_of(first_task(client, 2**32 - 1)) == client


def test_ids_of_one_client_are_consecutive() -> None:
    client = ClientId(7)

    assert first_task(client, 5) == first_task(client, 4) + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "17",
        "1f3a09bc",
        "1f3a09bc-",
        "1f3a09bc-x",
        "1f3a09bc--1",
        "1f3a09bc-+1",
        "1f3a09bc-1 ",
        "1f3a09bc-1\n",
        "1f3a09b-17",
        "zzzzzzzz-17",
        "0x1f3a09-17",
        "+1f3a09b-17",
        " 1f3a09b-17",
        "1f3a_9bc-17",
        "1f3a09bc-\u0661\u0667",
        f"1f3a09bc-{2**32}",
        f"{CLIENT_ID_LIMIT:08x}-0",
    ],
)
def test_text_that_is_not_a_task_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a task id; task ids look like '1f3a09bc-17'"):
        parse_task(text)
