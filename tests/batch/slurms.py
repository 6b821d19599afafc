"""A real Slurm, private to a folder: several nodes on this machine, without any other daemon."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.batch.daemons import Daemons
from tests.support.waiting import wait_until

NODES = 3
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol")
_CONF = """\
ClusterName=ipx
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
ReturnToService=0
MpiDefault=none
KillWait=5
MinJobAge=60
SlurmctldTimeout=30
SlurmdTimeout=30
{nodes}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=10 State=UP
"""


def why_not() -> str:
    """Return why there can be no Slurm here, empty if there can."""
    if os.getuid() != 0:
        return "Slurm's daemons start jobs for others, so this needs root"
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"Slurm is not installed: there is no {', '.join(absent)}" if absent else ""


@contextmanager
def slurm() -> Iterator[Path]:
    """Start a Slurm of several nodes; yield the path of its configuration."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-slurm-", dir="/tmp"))
    daemons = Daemons(folder)
    try:
        conf = _configure(folder)
        _start(folder, conf, daemons)
        try:
            wait_until(lambda: _idle(conf) == NODES, timeout=30)
        except AssertionError:
            raise AssertionError(daemons.said()) from None
        yield conf
        ask(conf, "scancel", "--user=root")
        wait_until(lambda: not ask(conf, "squeue", "--noheader").strip(), timeout=30)
    finally:
        daemons.stop()
        shutil.rmtree(folder)


def ask(conf: Path, *arguments: str) -> str:
    """Run one of Slurm's programs, and return what it says."""
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    done = subprocess.run(
        arguments, capture_output=True, text=True, env=environment, timeout=30, check=False
    )
    return done.stdout


def set_node(conf: Path, node: str, state: str) -> None:
    """Have a node be as wished, once it can be."""
    ask(conf, "scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=a test")


def _idle(conf: Path) -> int:
    said = ask(conf, "sinfo", "--noheader", "--states=idle", "--partition=debug", "--format=%D")
    return int(said.strip() or 0)


def _configure(folder: Path) -> Path:
    host = socket.gethostname().partition(".")[0]
    ports = free_ports(NODES + 1)
    nodes = "\n".join(
        f"NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[number]} "
        "CPUs=2 RealMemory=2000 State=UNKNOWN"
        for number in range(1, NODES + 1)
    )
    for name in ("munge", "state", *(f"spool-n{number}" for number in range(1, NODES + 1))):
        (folder / name).mkdir(mode=0o700)
    (folder / "munge").chmod(0o711)
    folder.chmod(0o711)  # munge wants to be reached by everybody
    key = folder / "munge" / "key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    conf = folder / "slurm.conf"
    conf.write_text(_CONF.format(host=host, port=ports[0], folder=folder, nodes=nodes))
    return conf


def _start(folder: Path, conf: Path, daemons: Daemons) -> None:
    munge = folder / "munge"
    daemons.start(
        "munged",
        [
            "munged",
            "--foreground",
            "--force",
            f"--key-file={munge}/key",
            f"--socket={munge}/sock",
            f"--pid-file={munge}/pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
            "--num-threads=2",
        ],
    )
    wait_until((munge / "sock").exists)
    daemons.start("slurmctld", ["slurmctld", "-D", "-f", str(conf)])
    for number in range(1, NODES + 1):
        daemons.start(f"slurmd-{number}", ["slurmd", "-D", "-f", str(conf), "-N", f"n{number}"])


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens at."""
    doors = [socket.socket() for _ in range(count)]
    try:
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [int(door.getsockname()[1]) for door in doors]
    finally:
        for door in doors:
            door.close()
