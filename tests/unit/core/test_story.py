from ipcluster_ext.core.story import Chapter, Log
from ipcluster_ext.protocol.ids import TaskId

ONE, TWO = TaskId(1), TaskId(2)


def test_a_story_tells_what_happened_to_a_task_in_order() -> None:
    log = Log()
    log.note(1.0, "submitted", [ONE, TWO])
    log.note(2.0, "assigned", [TWO])
    log.note(3.0, "ended", [TWO])

    assert log.story(ONE) == [Chapter(1.0, "submitted")]
    assert log.story(TWO) == [
        Chapter(1.0, "submitted"),
        Chapter(2.0, "assigned"),
        Chapter(3.0, "ended"),
    ]


def test_the_oldest_is_forgotten_first() -> None:
    log = Log(records=2)

    for at in (1.0, 2.0, 3.0):
        log.note(at, "noted", [ONE])

    assert [chapter.at for chapter in log.story(ONE)] == [2.0, 3.0]


def test_of_an_unknown_task_nothing_is_told() -> None:
    assert Log().story(ONE) == []
