"""What engines may use of their host: processors, GPUs, threads, memory; and what they have."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.cluster.orders import ClusterOrder
from ipcluster_ext.protocol.process import AgentConfig, from_line
from tests.support.far import Far
from tests.support.gates import Gate, pass_through
from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until

PATIENCE = 30.0
MIB = 1 << 20
LIMIT = 400 * MIB


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def blas_threads() -> int:
    """Return how many threads numpy's OpenBLAS uses; 0 if it has another library."""
    import ctypes

    import numpy as np

    assert np.ones(1).sum() == 1
    maps = Path("/proc/self/maps").read_text().splitlines()
    for path in {line.split()[-1] for line in maps if "openblas" in line}:
        library = ctypes.CDLL(path)
        for name in ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads"):
            if hasattr(library, name):
                return int(getattr(library, name)())
    return 0


class TestAnEngine:
    def test_is_kept_to_processors_of_its_own_in_all_its_lives(self, runtime: Path) -> None:
        every = cores()
        with ipp.Cluster(n=len(every), pin="cores") as client:
            assert client[:].apply_sync(cores) == [[core] for core in every]

            client.restart_engines([0])

            assert client[:].apply_sync(cores) == [[core] for core in every]
        assert leftovers_of(runtime) == []

    def test_may_use_all_processors_that_its_cluster_may_if_nobody_says_otherwise(self) -> None:
        with ipp.Cluster(n=2) as client:
            assert client[:].apply_sync(cores) == [cores()] * 2

    def test_has_as_many_threads_for_arithmetic_as_it_has_processors(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
        with ipp.Cluster(n=1) as client:
            threads = len(cores())

            assert client[0].apply_sync(os.getenv, "OMP_NUM_THREADS") == str(threads)
            assert client[0].apply_sync(blas_threads) in {0, threads}

    def test_has_the_threads_that_the_user_has_chosen(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        with ipp.Cluster(n=1) as client:
            assert client[0].apply_sync(os.getenv, "OMP_NUM_THREADS") == "3"
            assert client[0].apply_sync(os.getenv, "OPENBLAS_NUM_THREADS") is None
            assert client[0].apply_sync(blas_threads) in {0, 3}

    def test_sees_a_gpu_of_its_own_and_has_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
        with ipp.Cluster(n=3, gpus="auto", resources=["bigmem"]) as client:
            view = client[:]

            assert view.apply_sync(os.getenv, "CUDA_VISIBLE_DEVICES") == ["4", "6", "4"]
            assert client.engine_info(1).resources == {"bigmem": 1.0, "gpu": 1.0}

            client.restart_engines([1])

            assert view.apply_sync(os.getenv, "CUDA_VISIBLE_DEVICES") == ["4", "6", "4"]
            assert client.engine_info(1).resources == {"bigmem": 1.0, "gpu": 1.0}


def test_engines_that_are_not_forked_have_their_share_too(customized: Path) -> None:
    customized.write_text(
        "import sys, threading\n"
        "if 'ipcluster_ext.engine.zygote' in sys.orig_argv:\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    with ipp.Cluster(n=2, pin="cores", threads=2) as client:
        assert client[0].apply_sync(cores) == cores()[: max(1, len(cores()) // 2)]
        assert client[0].apply_sync(os.getenv, "OPENBLAS_NUM_THREADS") == "2"


class TestATask:
    def test_goes_where_what_it_names_is(self) -> None:
        with ipp.Cluster(n=1, resources=["small"]) as client:
            client.start_engines(1, resources=["bigmem", "fast"])
            client.wait_for_engines(2, timeout=PATIENCE)
            view = client.load_balanced_view()

            for name, engine in (("bigmem", 1), ("fast", 1), ("small", 0)):
                result = view.options(resources=[name]).submit(abs, -1)

                assert (result.get(PATIENCE), result.engine_id) == (1, engine)

    def test_may_name_a_host(self) -> None:
        with ipp.Cluster(n=1) as client:
            view = client.load_balanced_view().options(resources=[os.uname().nodename])

            assert view.submit(abs, -1).get(PATIENCE) == 1

            other = view.options(resources=["no-such-host"]).submit(abs, -1)
            with pytest.raises(ipp.NoSuchEngine, match="no-such-host"):
                other.get(PATIENCE)


def test_engines_of_another_host_have_what_their_agent_was_told(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del runtime
    with ipp.Cluster(n=1, ip="127.0.0.1") as client:
        cluster = client.cluster
        assert cluster is not None
        wish = ipp.EngineSet(
            launcher="ssh", name="n1", resources=["bigmem"], gpus="auto", pin=True, threads=7
        )
        home = AgentConfig(
            cluster=cluster.cluster_id,
            folder=str(cluster.folder),
            blobs="",
            count=1,
            location=["127.0.0.1"],
            resources={"small": 1.0},
        )
        order = ClusterOrder(home, wish, alive=lambda: True)
        config = from_line(order.config(1), AgentConfig)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
        far = Far.start(config)
        try:
            client.wait_for_engines(2, timeout=PATIENCE)

            assert client.engine_info(1).resources == {"bigmem": 1.0, "gpu": 1.0}
            assert client[1].apply_sync(os.getenv, "CUDA_VISIBLE_DEVICES") == "3"
            assert client[1].apply_sync(os.getenv, "OMP_NUM_THREADS") == "7"
            assert client[1].apply_sync(cores) == cores()
        finally:
            far.close()


# ---------------------------------------------------------------- memory


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ipp.Client]:
    """Start an engine that may use so much memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        with ipp.Cluster(n=1, memory_limit=LIMIT) as client:
            yield client


def fill(nbytes: int, place: str) -> int:
    data = bytearray(os.urandom(MIB)) * (nbytes // MIB)
    if place:
        pass_through(Path(place))
    return len(data)


def test_who_uses_more_than_its_limit_is_killed_and_started_again(limited: ipp.Client) -> None:
    before = limited.engine_info(0).pid
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = limited[0].apply_async(fill, 2 * LIMIT, "/nowhere/gate")
        error = result.exception(PATIENCE)
        wait_until(lambda: any("with an empty namespace" in str(each.message) for each in told))

    assert isinstance(error, ipp.EngineLost)
    assert "of memory, more than its limit of 400.0 MiB" in str(error)
    assert limited[0].apply_async(abs, -1).get(PATIENCE) == 1
    assert limited.engine_info(0).pid != before


def test_who_is_near_its_limit_is_warned_of_once(limited: ipp.Client, gate: Gate) -> None:
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = limited[0].apply_async(fill, LIMIT * 88 // 100, str(gate.path))
        wait_until(lambda: bool(caught), timeout=PATIENCE)
        gate.open()
        assert result.get(PATIENCE) > 0
        heard.extend(str(each.message) for each in caught)

    assert len(heard) == 1
    assert "engine 0 uses" in heard[0]
    assert "while it runs 'fill'" in heard[0]
    assert "with more than 400.0 MiB it is killed" in heard[0]


def test_what_engines_share_does_not_count(limited: ipp.Client) -> None:
    import numpy as np

    before = limited.engine_info(0).pid
    array = np.zeros(2 * LIMIT // 8)

    assert limited[0].apply_async(np.sum, array).get(PATIENCE) == 0
    assert limited.engine_info(0).pid == before


def test_watchers_are_told_the_limit(limited: ipp.Client) -> None:
    with limited.status_feed() as feed:
        wait_until(
            lambda: [engine.limit for engine in feed.latest.engines] == [LIMIT], timeout=PATIENCE
        )
