from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.jupyter.deltas import difference, whole
from ipcluster_ext.jupyter.schema import StatusNow
from ipcluster_ext.protocol.feed import EngineRow
from ipcluster_ext.protocol.ids import EngineId

ONE, TWO, THREE = (EngineId(engine) for engine in range(3))
ROW = EngineRow(ONE, "busy", "here", 17)


def test_a_line_is_told_without_the_rest_of_its_engine() -> None:
    before = ClusterStatus(1, (ROW,), lines={ONE: "step 1", TWO: "same", THREE: "gone"})
    now = ClusterStatus(2, (ROW,), lines={ONE: "step 2", TWO: "same"})

    assert difference("demo", before, now) == StatusNow(
        cluster="demo", whole=False, lines={ONE: "step 2", THREE: ""}
    )


def test_of_what_has_not_changed_nothing_is_told() -> None:
    now = ClusterStatus(1, (ROW,), lines={ONE: "step 1"})

    assert difference("demo", now, ClusterStatus(2, (ROW,), lines={ONE: "step 1"})) is None


def test_everything_has_all_lines() -> None:
    assert whole("demo", ClusterStatus(1, (), lines={ONE: "step 1"})).lines == {ONE: "step 1"}
