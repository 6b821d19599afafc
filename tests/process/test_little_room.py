"""Clusters that have too little of something: open files, shared memory."""

import os
import signal
import subprocess

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import python
from tests.support.leftovers import shared_memory_of


@pytest.mark.parametrize(
    ("open_files", "count", "said"),
    [
        (64, 2, "[8, 8]"),
        (64, 100, "64 open files here (RLIMIT_NOFILE), and 100 engines need 180"),
        (12, 1, "12 open files here (RLIMIT_NOFILE)"),
    ],
)
def test_too_few_open_files_are_told_at_the_start(open_files: int, count: int, said: str) -> None:
    script = f"""
        import resource
        import ipcluster_ext as ipp
        resource.setrlimit(resource.RLIMIT_NOFILE, ({open_files}, {open_files}))
        try:
            with ipp.Cluster(n={count}) as client:
                print(client[:].apply_sync(pow, 2, 3))
        except ipp.StartupError as error:
            print(error)
    """
    with python(script) as process:
        output, errors = process.communicate(timeout=30)

    assert errors == ""
    assert said in output


def test_an_engine_comes_back_where_shared_memory_is_full() -> None:
    with ipp.Cluster(n=2) as client:
        (folder,) = shared_memory_of(client.cluster_id)
        mount = ["mount", "-t", "tmpfs", "-o", "size=8192,mode=0700", "tmpfs", str(folder)]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"a full /dev/shm cannot be made here: {mounted.stderr.strip()}")
        try:
            (folder / "full").write_bytes(bytes(8192))
            client.send_signal(signal.SIGKILL, 0)
            assert client[0].apply_async(pow, 2, 3).get(10) == 8

            dying = client[0].apply_async(os._exit, 3)
            behind = client[0].apply_async(pow, 2, 4)

            assert isinstance(dying.exception(10), ipp.EngineLost)
            assert behind.get(10) == 16
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
