from pathlib import Path

import pytest

from ipcluster_ext.agent.memory import LOOKS, MemoryWatch

GIB = 1 << 30


def system(root: Path, *, version: int = 1, limit: str = "2147483648") -> Path:
    """Make a system whose control groups are of a version; return this process's group."""
    mount = root / "sys/fs/cgroup" / ("memory" if version == 1 else "")
    group = mount / "jobs/7"
    group.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    line = "4:memory:/jobs/7" if version == 1 else "0::/jobs/7"
    (root / "proc/self/cgroup").write_text(f"5:devices:/\n{line}\n")
    (root / "proc/meminfo").write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    name = "memory.limit_in_bytes" if version == 1 else "memory.max"
    (group / name).write_text(f"{limit}\n")
    counts(root, group=0, host=3)
    return group


def counts(root: Path, *, group: int, host: int) -> None:
    """Have the kernel have killed so many processes."""
    (root / "proc/vmstat").write_text(f"pgfault 99\noom_kill {host}\n")
    for version, name in ((1, "memory.oom_control"), (2, "memory.events")):
        folder = root / "sys/fs/cgroup" / ("memory" if version == 1 else "") / "jobs/7"
        if folder.exists():
            (folder / name).write_text(f"under_oom 0\noom_kill {group}\n")


@pytest.mark.parametrize("version", [1, 2])
def test_a_kill_in_the_group_is_suspicious(version: int, tmp_path: Path) -> None:
    system(tmp_path, version=version)
    watch = MemoryWatch(tmp_path)

    counts(tmp_path, group=1, host=4)

    assert watch.suspicion(GIB * 3 // 2) == (
        "probably for memory: used 1.5 GiB of 2.0 GiB; 1 oom kill in its cgroup"
    )


def test_a_kill_explains_one_death(tmp_path: Path) -> None:
    system(tmp_path)
    watch = MemoryWatch(tmp_path)
    counts(tmp_path, group=1, host=4)

    suspicions = [bool(watch.suspicion(1)) for _ in range(3)]

    assert suspicions == [True, False, False]


def test_two_kills_explain_two_deaths(tmp_path: Path) -> None:
    system(tmp_path)
    watch = MemoryWatch(tmp_path)
    watch.look()
    counts(tmp_path, group=2, host=5)

    assert [bool(watch.suspicion(1)) for _ in range(3)] == [True, True, False]


def test_a_kill_elsewhere_on_the_host_is_suspicious_too(tmp_path: Path) -> None:
    system(tmp_path)
    watch = MemoryWatch(tmp_path)

    counts(tmp_path, group=0, host=5)

    assert watch.suspicion(0) == (
        "probably for memory: there are 2.0 GiB; 5 oom kills on this host"
    )


def test_a_kill_of_long_ago_is_not(tmp_path: Path) -> None:
    system(tmp_path)
    watch = MemoryWatch(tmp_path)
    counts(tmp_path, group=1, host=4)

    for _ in range(LOOKS):
        watch.look()

    assert watch.suspicion(1) == ""


def test_one_that_was_seen_by_the_last_look_only_still_is(tmp_path: Path) -> None:
    system(tmp_path)
    watch = MemoryWatch(tmp_path)
    for _ in range(LOOKS):
        watch.look()
    counts(tmp_path, group=1, host=4)

    watch.look()

    assert watch.suspicion(1) != ""


def test_the_smallest_limit_of_all_groups_around_counts(tmp_path: Path) -> None:
    group = system(tmp_path, version=2, limit="max")
    (group.parent / "memory.max").write_text(f"{GIB}\n")

    assert MemoryWatch(tmp_path).limit == GIB


def test_without_a_limit_it_is_the_host_that_limits(tmp_path: Path) -> None:
    system(tmp_path, version=1, limit="9223372036854771712")

    assert MemoryWatch(tmp_path).limit == 16 * GIB


def test_a_system_that_tells_nothing_makes_nobody_suspicious(tmp_path: Path) -> None:
    watch = MemoryWatch(tmp_path)
    watch.look()

    assert watch.suspicion(1) == ""
