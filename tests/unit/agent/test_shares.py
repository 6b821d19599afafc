import pytest

from ipcluster_ext.agent.shares import (
    Allotment,
    Host,
    chosen,
    cores_at,
    neighbours,
    openblas_threads,
    threads,
    visible_gpus,
)
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.shares import Gpus, Share, Shares

GIB = 1 << 30
EIGHT = list(range(8))


def engines(*ids: int) -> list[EngineId]:
    return [EngineId(engine) for engine in ids]


def host(cores: list[int] = EIGHT, gpus: tuple[str, ...] = (), **environment: str) -> Host:
    return Host(cores, gpus, 8 * GIB, environment)


class TestProcessors:
    def test_are_as_many_for_each(self) -> None:
        assert [cores_at(place, EIGHT, 3) for place in range(4)] == [
            [0, 1],
            [2, 3],
            [4, 5],
            [6, 7],
        ]

    def test_are_shared_in_turn_if_there_are_too_few(self) -> None:
        assert [cores_at(place, [4, 9], 3) for place in range(3)] == [[4], [9], [4]]

    def test_are_only_those_that_are_allowed(self) -> None:
        assert cores_at(1, [3, 5, 6, 7], 2) == [6, 7]

    def test_may_not_be_known(self) -> None:
        assert cores_at(0, [], 2) == []

    def test_are_not_for_anybody_if_nobody_asked(self) -> None:
        allotment = Allotment(Shares(), host(), 2)
        allotment.take(engines(0))

        assert allotment.of(EngineId(0)).cores == []


class TestPlaces:
    def test_are_kept_by_whoever_has_them(self) -> None:
        allotment = Allotment(Shares(pin=True), host(), 4)
        allotment.take(engines(10, 11, 12))
        before = allotment.of(EngineId(11))

        allotment.leave(EngineId(10))
        allotment.take(engines(11, 13))

        assert allotment.of(EngineId(11)) == before
        assert before.cores == [2, 3]
        assert allotment.of(EngineId(13)).cores == [0, 1]

    def test_of_agents_side_by_side_differ(self) -> None:
        second = Allotment(
            Shares(pin=True),
            host(OMPI_COMM_WORLD_LOCAL_RANK="1", OMPI_COMM_WORLD_LOCAL_SIZE="4"),
            1,
        )
        second.take(engines(1))

        assert second.of(EngineId(1)).cores == [2, 3]

    def test_nobody_who_has_none_is_told_anything(self) -> None:
        assert Allotment(Shares(pin=True), host(), 1).of(EngineId(5)) == Share()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, (0, 1)),
        ({"SLURM_LOCALID": "2", "SLURM_STEP_TASKS_PER_NODE": "4(x2)"}, (2, 4)),
        ({"MPI_LOCALRANKID": "3"}, (3, 4)),
    ],
)
def test_who_else_is_started_on_a_host_stands_in_the_environment(
    environment: dict[str, str], said: tuple[int, int]
) -> None:
    assert neighbours(environment) == said


class TestGpus:
    @pytest.mark.parametrize(
        ("shown", "seen"),
        [
            (None, ["0", "1", "2"]),
            ("2,0", ["2", "0"]),
            ("GPU-8f, MIG-1", ["GPU-8f", "MIG-1"]),
            ("", []),
            ("1,-1,2", ["1"]),
        ],
    )
    def test_are_those_that_the_environment_shows(self, shown: str | None, seen: list[str]) -> None:
        environment = {} if shown is None else {"CUDA_VISIBLE_DEVICES": shown}

        assert visible_gpus(environment, 3) == seen

    @pytest.mark.parametrize(
        ("gpus", "meant"),
        [
            ("auto", ["5", "7"]),
            ([1], ["7"]),
            ([0, 2], ["5"]),
            (["GPU-8f", 0], ["GPU-8f", "5"]),
            ([], []),
        ],
    )
    def test_are_counted_as_programs_see_them(self, gpus: Gpus, meant: list[str]) -> None:
        assert chosen(gpus, ["5", "7"]) == meant

    def test_are_given_in_turn_and_are_a_resource(self) -> None:
        allotment = Allotment(Shares(gpus="auto"), host(gpus=("5", "7")), 3)
        allotment.take(engines(0, 1, 2))

        shown = [
            allotment.of(engine).environment["CUDA_VISIBLE_DEVICES"] for engine in engines(0, 1, 2)
        ]

        assert shown == ["5", "7", "5"]
        assert allotment.resources == {"gpu": 1.0}

    def test_that_are_missing_are_missed(self) -> None:
        allotment = Allotment(Shares(gpus="auto"), host(), 1)
        allotment.take(engines(0))

        assert allotment.missing == "no GPU was found for engines"
        assert allotment.resources == {}
        assert "CUDA_VISIBLE_DEVICES" not in allotment.of(EngineId(0)).environment


class TestThreads:
    @pytest.mark.parametrize(("count", "each"), [(2, 4), (3, 2), (16, 1)])
    def test_are_an_engines_part_of_the_processors(self, count: int, each: int) -> None:
        allotment = Allotment(Shares(), host(), count)
        allotment.take(engines(0))

        share = allotment.of(EngineId(0))

        assert share.threads == each
        assert share.environment["OMP_NUM_THREADS"] == str(each)

    def test_are_as_the_user_has_chosen(self) -> None:
        allotment = Allotment(Shares(), host(OMP_NUM_THREADS="3"), 2)
        allotment.take(engines(0))

        assert allotment.of(EngineId(0)) == Share(threads=3)

    def test_that_are_asked_for_count_more(self) -> None:
        allotment = Allotment(Shares(threads=5), host(OMP_NUM_THREADS="3"), 2)
        allotment.take(engines(0))

        share = allotment.of(EngineId(0))

        assert (share.threads, share.environment["OMP_NUM_THREADS"]) == (5, "5")

    def test_of_one_library_leave_the_others_theirs(self) -> None:
        assert threads(2, {"MKL_NUM_THREADS": "6"}) == {
            "OMP_NUM_THREADS": "2",
            "OPENBLAS_NUM_THREADS": "2",
        }

    @pytest.mark.parametrize(
        ("environment", "count"),
        [
            ({"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "4"}, 2),
            ({"OPENBLAS_NUM_THREADS": "many", "OMP_NUM_THREADS": "4"}, 4),
            ({}, 0),
        ],
    )
    def test_of_openblas_follow_its_variables(
        self, environment: dict[str, str], count: int
    ) -> None:
        assert openblas_threads(environment) == count


@pytest.mark.parametrize(("limit", "nbytes"), [(0.0, 0), (0.25, 2 * GIB), (3.0 * GIB, 3 * GIB)])
def test_memory_is_limited_in_bytes_or_as_a_part(limit: float, nbytes: int) -> None:
    assert Allotment(Shares(memory_limit=limit), host(), 1).memory_limit == nbytes
