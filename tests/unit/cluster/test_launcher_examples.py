"""The profiles that launchers offer to begin with, and the scripts that come of them."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from ipcluster_ext.cluster.launchers.batch import BatchLauncher
from ipcluster_ext.cluster.launchers.contract import GROUP
from ipcluster_ext.cluster.launchers.htcondor import CondorLauncher
from ipcluster_ext.cluster.launchers.lsf import LsfLauncher
from ipcluster_ext.cluster.launchers.pbs import PbsLauncher
from ipcluster_ext.cluster.launchers.registry import OURS, example, find, listing, options_of
from ipcluster_ext.cluster.launchers.sge import SgeLauncher
from ipcluster_ext.cluster.launchers.slurm import SlurmLauncher
from ipcluster_ext.cluster.profiles import parse
from ipcluster_ext.errors import ClusterError
from tests.batch.orders import PretendOrder, launcher

BATCH: dict[str, type[BatchLauncher]] = {
    "htcondor": CondorLauncher,
    "lsf": LsfLauncher,
    "pbs": PbsLauncher,
    "sge": SgeLauncher,
    "slurm": SlurmLauncher,
}
ALL = [*BATCH, "kubernetes", "mpi"]
_SUGGESTED = re.compile(r"^# (\w+ = .*)$", re.MULTILINE)


@pytest.fixture
def order(tmp_path: Path) -> PretendOrder:
    return PretendOrder(tmp_path)


def suggestions(name: str) -> Iterator[dict[str, Any]]:
    """Yield each option that an example has, and each that it suggests in a comment."""
    text = example(name)
    yield from ({key: value} for key, value in tomllib.loads(text)["launcher_options"].items())
    for line in _SUGGESTED.findall(text.partition("[launcher_options.")[0]):
        yield tomllib.loads(line)


@pytest.mark.parametrize("name", ALL)
def test_an_example_is_a_profile(name: str) -> None:
    profile = parse(tomllib.loads(example(name)), name="x", source="x.toml")

    assert profile.launcher == name
    assert profile.n
    assert profile.description


@pytest.mark.parametrize("name", ALL)
def test_whatever_an_example_suggests_can_be_said(name: str) -> None:
    told = list(suggestions(name))

    assert told
    for each in told:
        options_of(name, each)


@pytest.mark.parametrize("name", BATCH)
def test_the_script_of_an_example_says_all_of_it(name: str, order: PretendOrder) -> None:
    given = tomllib.loads(example(name))["launcher_options"]
    for each in suggestions(name):
        given |= {key: value for key, value in each.items() if key not in {"mode", "folder"}}

    script = launcher(find(name), order, **given).script(16)

    assert script.startswith("#!/bin/bash\n#")
    assert "@{" not in script
    for key, value in given.items():
        if isinstance(value, str) and key not in {"time", "memory", "parallel_environment"}:
            assert value in script
        if isinstance(value, list):
            assert all(line in script for line in value)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "slurm",
            [
                "#SBATCH --job-name=ipx-0123456789a",
                "#SBATCH --nodes=1",
                "#SBATCH --ntasks-per-node=1",
                "#SBATCH --cpus-per-task=4",
                "#SBATCH --output=ORDER/jobs/job/log-%a",
                "#SBATCH --array=1-3",
                "#SBATCH --mem=8192M",
                "#SBATCH --gpus-per-node=1",
                "#SBATCH --time=1-06:00:00",
                "#SBATCH --partition=q",
                "#SBATCH --account=a",
            ],
        ),
        (
            "sge",
            [
                "#$ -N ipx-0123456789a",
                "#$ -S /bin/bash",
                "#$ -notify",
                "#$ -j y",
                "#$ -o ORDER/jobs/job/log-$TASK_ID",
                "#$ -t 1-3",
                "#$ -pe smp 4",
                "#$ -q q",
                "#$ -P a",
                "#$ -l h_rt=108000",
                "#$ -l mem_free=8192M",
                "#$ -l gpu=1",
            ],
        ),
        (
            "pbs",
            [
                "#PBS -N ipx-0123456789a",
                "#PBS -S /bin/bash",
                "#PBS -j oe",
                "#PBS -W umask=077",
                "#PBS -o ORDER/jobs/job/log-^array_index^",
                "#PBS -J 1-3",
                "#PBS -l select=1:ncpus=4:mem=8192mb:ngpus=1",
                "#PBS -l walltime=30:00:00",
                "#PBS -q q",
                "#PBS -A a",
            ],
        ),
        (
            "lsf",
            [
                '#BSUB -J "ipx-0123456789a[1-3]"',
                "#BSUB -o ORDER/jobs/job/log-%I",
                "#BSUB -n 4",
                '#BSUB -R "span[hosts=1]"',
                '#BSUB -R "rusage[mem=8192MB]"',
                '#BSUB -gpu "num=1"',
                "#BSUB -W 30:00",
                "#BSUB -q q",
                "#BSUB -P a",
            ],
        ),
        (
            "htcondor",
            [
                "#CONDOR universe = vanilla",
                "#CONDOR batch_name = ipx-0123456789a",
                "#CONDOR executable = ORDER/jobs/job/job.sh",
                "#CONDOR arguments = $(Process)",
                "#CONDOR output = ORDER/jobs/job/log-$(Process)",
                "#CONDOR error = ORDER/jobs/job/log-$(Process)",
                "#CONDOR log = ORDER/jobs/job/events",
                "#CONDOR should_transfer_files = NO",
                "#CONDOR kill_sig = SIGTERM",
                "#CONDOR request_cpus = 4",
                "#CONDOR request_memory = 8192M",
                "#CONDOR request_gpus = 1",
                "#CONDOR accounting_group = a",
                "#CONDOR allowed_job_duration = 108000",
                "#CONDOR queue 3",
            ],
        ),
    ],
)
def test_each_system_is_told_in_its_own_words(
    name: str, lines: list[str], order: PretendOrder
) -> None:
    given = {"memory": "8G", "gpus": 1, "time": "1-6:00:00", "account": "a"}
    if name != "htcondor":
        given["queue"] = "q"

    script = launcher(BATCH[name], order, engines_per_agent=4, **given).script(12)

    told = [line for line in script.splitlines() if line.startswith(BATCH[name].PREFIX + " ")]
    assert told == [line.replace("ORDER", str(order.folder)) for line in lines]


def test_what_does_not_divide_is_submitted_on_its_own(order: PretendOrder) -> None:
    slurm = launcher(SlurmLauncher, order, engines_per_agent=4, array_limit=2)

    shapes = [(shape.agents, shape.engines) for shape in slurm.shapes(23)]

    assert shapes == [(2, 4), (2, 4), (1, 4), (1, 3)]


def test_one_allocation_is_as_large_as_it_has_to_be(order: PretendOrder) -> None:
    slurm = launcher(SlurmLauncher, order, mode="allocation", engines_per_agent=8, array_limit=2)

    script = slurm.script(32)

    assert "#SBATCH --nodes=4\n" in script
    assert "srun --nodes=4 --ntasks=4 --ntasks-per-node=1 --cpus-per-task=8" in script
    assert "--array" not in script


def test_a_template_can_be_ones_own(order: PretendOrder) -> None:
    template = "#!/bin/sh\n@{directives}\nexec @{command} # $HOME is @{folder}\n"

    script = launcher(SlurmLauncher, order, template=template, python="/opt/python").script(1)

    assert script.startswith("#!/bin/sh\n#SBATCH --job-name=")
    assert script.endswith(
        f"{order.folder}/jobs/job/agent.json # $HOME is {order.folder}/jobs/job\n"
    )
    assert "exec /opt/python -P " in script


def test_a_template_with_a_slip_is_refused_and_told_by_check(order: PretendOrder) -> None:
    slurm = launcher(SlurmLauncher, order, template="@{command} @{nodes}")

    with pytest.raises(ClusterError, match=r"the Slurm launcher has no value for @\{nodes\}"):
        slurm.script(1)
    assert any("@{nodes}" in fault for fault in slurm.check())


def test_keys_and_user_data_never_stand_in_a_script(order: PretendOrder) -> None:
    script = launcher(
        SlurmLauncher, order, environment={"A": "it's; $(touch x)"}, prologue=["module load x"]
    ).script(2)

    assert "export A='it'\"'\"'s; $(touch x)'\n" in script
    assert "\nmodule load x\n" in script


FILES = sorted((Path(__file__).parents[3] / "examples" / "profiles").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_file_is_a_profile_whose_options_the_launcher_knows(
    path: Path, order: PretendOrder
) -> None:
    content = tomllib.loads(path.read_text())

    profile = parse(content, name=path.stem, source=path.name)

    assert profile.n
    assert profile.description
    if profile.launcher != "local":
        given = content["launcher_options"]
        options_of(profile.launcher, given)
        assert launcher(find(profile.launcher), order, **given).script(profile.n)


def test_there_are_example_files_for_the_usual_places() -> None:
    assert {path.stem for path in FILES} >= {"gpu-box", "kubernetes", "laptop", "pbs", "slurm"}


def test_our_launchers_are_the_ones_that_are_installed() -> None:
    """They are found without looking through all that is installed."""
    installed = {entry.name: entry.value for entry in entry_points(group=GROUP)}

    assert {name: installed.get(name) for name in OURS} == OURS
    ours = {name for name, value in installed.items() if value.startswith("ipcluster_ext.")}
    assert ours == set(OURS)


@pytest.fixture
def _others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with a launcher, one with none, and one that would be ours."""
    text = """\
from ipcluster_ext.cluster.launchers.local import LocalLauncher as Wrong
from ipcluster_ext.cluster.launchers.slurm import SlurmLauncher

class Cloud(SlurmLauncher):
    \"\"\"Engines in the cloud.\"\"\"
"""
    (tmp_path / "some_cloud.py").write_text(text)
    info = tmp_path / "some_cloud-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-cloud\nVersion: 1.0\n")
    entries = ["cloud=some_cloud:Cloud", "wrong=some_cloud:Wrong", "lost=some_cloud:Lost"]
    lines = [f"[{GROUP}]", *entries, "ssh=some_cloud:Cloud"]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_others")
def test_a_launcher_of_another_package_is_found_by_its_name() -> None:
    listed = {each.name: each.about for each in listing()}

    assert find("cloud").__name__ == "Cloud"
    assert listed["cloud"] == "Engines in the cloud."
    assert "cannot be loaded" in listed["lost"]
    assert find("ssh").__module__.startswith("ipcluster_ext.")


@pytest.mark.usefixtures("_others")
@pytest.mark.parametrize(
    ("name", "reason"), [("wrong", "is no"), ("lost", "cannot be loaded"), ("clout", "cloud")]
)
def test_what_is_no_launcher_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ClusterError, match=reason):
        find(name)
