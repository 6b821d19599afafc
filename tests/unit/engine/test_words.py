"""What tasks say is numbered in the order in which it is said."""

import threading
from collections.abc import Sequence

from ipcluster_ext.engine.words import Words
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Message, News, Output

TASK = TaskId(5)


def test_numbers_begin_with_the_life_of_the_engine_and_go_up() -> None:
    said: list[tuple[list[Message], Sequence[Frame]]] = []
    words = Words(lambda messages, frames: said.append((messages, frames)), boot=3)

    words.say([Output(TASK, "stdout", "a"), News(TASK, "data", b"", (1,))], [b"x"])
    words.say([Output(TASK, "stdout", "b")])

    life = 3 << 32
    assert said == [
        (
            [
                Output(TASK, "stdout", "a", life + 1),
                News(TASK, "data", b"", (1,), life + 2),
            ],
            [b"x"],
        ),
        ([Output(TASK, "stdout", "b", life + 3)], ()),
    ]


def test_what_has_the_lower_number_is_said_first_whoever_says_it() -> None:
    numbers: list[int] = []

    def note(messages: Sequence[Message], _frames: Sequence[Frame]) -> None:
        numbers.extend(m.number for m in messages if isinstance(m, Output))

    words = Words(note, boot=1)

    def talk() -> None:
        for _ in range(500):
            words.say([Output(TASK, "stdout", "a")])

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert numbers == [(1 << 32) + n for n in range(1, 2001)]
