"""A real Grid Engine, private to a folder: one host with a few slots."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.batch.daemons import Daemons
from tests.batch.slurms import free_ports
from tests.support.waiting import wait_until

SLOTS = 4
_HOME = Path("/var/lib/gridengine")
_LIB = Path("/usr/lib/gridengine")
_DEFAULTS = Path("/usr/share/gridengine")
_PROGRAMS = ("sge_qmaster", "sge_execd", "qconf", "qsub", "qstat", "qdel")
_BOOTSTRAP = """\
admin_user none
default_domain none
ignore_fqdn false
spooling_method classic
spooling_lib libspoolc
spooling_params {spooling}
binary_path /usr/sbin
qmaster_spool_dir {folder}/spool/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
_ENVIRONMENT = """\
pe_name smp
slots 64
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""
_QUEUE = {
    "qname": "all.q",
    "hostlist": "@allhosts",
    "slots": str(SLOTS),
    "shell": "/bin/bash",
    "shell_start_mode": "unix_behavior",
    "pe_list": "smp",
    "load_thresholds": "NONE",
}
_SCHEDULER = {
    "schedule_interval": "0:0:1",
    "flush_submit_sec": "1",
    "flush_finish_sec": "1",
    "schedd_job_info": "true",
}
_GLOBAL = {
    "min_uid": "0",
    "min_gid": "0",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false "
    "accounting_flush_time=00:00:01 sharelog=00:00:00",
}


def why_not() -> str:
    """Return why there can be no Grid Engine here, empty if there can."""
    if os.getuid() != 0:
        return "Grid Engine's daemons start jobs for others, so this needs root"
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"Grid Engine is not installed: there is no {', '.join(absent)}" if absent else ""


@contextmanager
def grid_engine() -> Iterator[dict[str, str]]:
    """Start a Grid Engine; yield the variables by which its programs find it."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-sge-", dir="/tmp"))
    daemons = Daemons(folder)
    master, execution = free_ports(2)
    where = {
        "SGE_ROOT": str(folder),
        "SGE_CELL": "default",
        "SGE_QMASTER_PORT": str(master),
        "SGE_EXECD_PORT": str(execution),
        "SGE_ND": "1",
    }
    ask = _asker(where)
    try:
        _lay_out(folder, ask)
        environment = {**os.environ, **where}
        master_process = daemons.start("qmaster", ["sge_qmaster"], environment)
        wait_until(lambda: not ask("qconf", "-sm").startswith("error"), timeout=30)
        _configure(folder, ask)
        host_process = daemons.start("execd", ["sge_execd"], environment)
        wait_until(lambda: "lx-" in ask("qstat", "-f"), timeout=30)
        yield where
        ask("qdel", "-u", "root")
        wait_until(lambda: not ask("qstat", "-u", "root").strip(), timeout=60)
        ask("qconf", "-ke", "all")
        host_process.wait(20)
        master_process.kill()  # it takes ten seconds to end in good order, and has nothing to keep
    except AssertionError as error:
        raise AssertionError(f"{error}\n{daemons.said()}") from error
    finally:
        daemons.stop()
        shutil.rmtree(folder)


def _asker(where: Mapping[str, str]) -> Callable[..., str]:
    environment = {**os.environ, **where}

    def ask(*arguments: str) -> str:
        done = subprocess.run(
            arguments, capture_output=True, text=True, env=environment, timeout=30, check=False
        )
        return done.stderr if done.returncode else done.stdout

    return ask


def _lay_out(folder: Path, ask: Callable[..., str]) -> None:
    """Write what the daemons read before they run."""
    folder.chmod(0o755)
    for name in ("bin", "lib", "utilbin", "util"):
        (folder / name).symlink_to(_HOME / name)
    common = folder / "default" / "common"
    for path in (common, folder / "spool/qmaster/job_scripts", folder / "spool/execd"):
        path.mkdir(parents=True)
    host = socket.gethostname()
    spooling = f"{common};{folder}/spool/qmaster"
    (common / "bootstrap").write_text(_BOOTSTRAP.format(folder=folder, spooling=spooling))
    (common / "act_qmaster").write_text(f"{host}\n")
    names = {name for line in _hosts() if line[:1] == ["127.0.0.1"] for name in line[1:]} - {host}
    (common / "host_aliases").write_text(f"{' '.join([host, *sorted(names)])}\n")
    configuration = folder / "configuration"
    text = (_DEFAULTS / "default-configuration").read_text()
    configuration.write_text(_with(text, {"execd_spool_dir": f"{folder}/spool/execd"}))
    resources = _DEFAULTS / "util/resources"
    ask(str(_LIB / "spoolinit"), "classic", "libspoolc", spooling, "init")
    for kind, source in (
        ("configuration", str(configuration)),
        ("complexes", str(resources / "centry")),
        ("usersets", str(resources / "usersets")),
        ("managers", "root"),
    ):
        ask(str(_LIB / "spooldefaults"), kind, source)


def _configure(folder: Path, ask: Callable[..., str]) -> None:
    """Tell the master of this host, and of a queue on it."""
    host = socket.gethostname()
    ask("qconf", "-as", host)
    ask("qconf", "-ah", host)
    given = folder / "given"
    for option, text in (
        ("-Ahgrp", f"group_name @allhosts\nhostlist {host}\n"),
        ("-Ap", _ENVIRONMENT),
        ("-Aq", _with(ask("qconf", "-sq"), _QUEUE)),
        ("-Msconf", _with(ask("qconf", "-ssconf"), _SCHEDULER)),
    ):
        given.write_text(text)
        ask("qconf", option, str(given))
    known = folder / "global"  # its name says whose configuration it is
    known.write_text(_with(ask("qconf", "-sconf"), _GLOBAL))
    ask("qconf", "-Mconf", str(known))


def _with(text: str, values: Mapping[str, str]) -> str:
    """Return lines of names and values, some of which are others now."""
    lines = text.replace("\\\n", " ").splitlines()
    names = [line.split()[0] if line.split() else "" for line in lines]
    changed = [
        f"{name} {values[name]}" if name in values else line
        for name, line in zip(names, lines, strict=True)
        if not line.startswith("#")
    ]
    return "\n".join([*changed, ""])


def _hosts() -> Iterator[list[str]]:
    for line in Path("/etc/hosts").read_text().splitlines():
        yield line.partition("#")[0].split()
