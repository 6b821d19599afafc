"""Stand-ins for the programs of PBS, LSF and HTCondor, which cannot be had here.

Each keeps its jobs in a folder, runs them on this machine, and answers in the form that the
system's documentation gives. A file "hold" in that folder has jobs wait, for the reason in it.
"""

import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = "IPX_STANDIN"
PROGRAMS = (
    *("qsub", "qstat", "qdel", "qsig", "pbsdsh", "pbsnodes"),
    *("bsub", "bjobs", "bkill", "blaunch"),
    *("condor_submit", "condor_q", "condor_rm", "condor_history"),
)
HOSTS = ("node1", "node2", "node3")
_TURN = 0.02


class Jobs:
    """The jobs of a batch system, a file each."""

    def __init__(self) -> None:
        self.folder = Path(os.environ[FOLDER])

    def submit(
        self, script: str, indices: Sequence[int], variable: str, log: Callable[[int], str]
    ) -> int:
        """Note jobs and have them run; return the number that they share."""
        number = len(list(self.folder.glob("script-*"))) + 1
        path = self.folder / f"script-{number}"
        path.write_text(script)
        for index in indices:
            self.write(
                {
                    "number": number,
                    "index": index,
                    "array": len(indices) > 1,
                    "script": str(path),
                    "variable": variable,
                    "log": log(index),
                    "state": "waits",
                }
            )
            record = self.path(number, index)
            subprocess.Popen(
                [sys.executable, __file__, "run", str(record)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return number

    def path(self, number: int, index: int) -> Path:
        """Return the file of a job."""
        return self.folder / f"job-{number}-{index}.json"

    def write(self, job: dict[str, Any]) -> None:
        """Write a job's file, whole."""
        path = self.path(job["number"], job["index"])
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(job))
        part.rename(path)

    def find(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the jobs that ``12``, ``12[].server``, ``12[3]`` or ``12.3`` names."""
        number, index = re.findall(r"\d+", name)[0], re.findall(r"[\[.](\d+)", name)
        for path in sorted(self.folder.glob(f"job-{number}-{index[0] if index else '*'}.json")):
            yield json.loads(path.read_text())

    @property
    def hold(self) -> str:
        """Why jobs have to wait, empty if they need not."""
        path = self.folder / "hold"
        return path.read_text() if path.exists() else ""

    def end(self, job: dict[str, Any], signum: int) -> None:
        """Send a signal to a job; one that waits is gone."""
        with self.alone():
            job = json.loads(self.path(job["number"], job["index"]).read_text())
            if job["state"] == "waits":
                self.write({**job, "state": "ended", "signal": signum, "removed": True})
            elif job["state"] == "runs":
                self.write({**job, "removed": True})
                os.killpg(job["pid"], signum)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else change a job meanwhile."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def run(record: Path) -> None:
    """Run a job once it need not wait."""
    jobs = Jobs()
    while jobs.hold and json.loads(record.read_text())["state"] == "waits":
        time.sleep(_TURN)
    with jobs.alone():
        job = json.loads(record.read_text())
        if job["state"] == "ended":
            return
        child = _start(jobs, job)
        jobs.write({**job, "state": "runs", "pid": child.pid})
    code = child.wait()
    with jobs.alone():
        job = json.loads(record.read_text())
        ended = {"signal": -code} if code < 0 else {"code": code}
        jobs.write({**job, "state": "ended", **ended})


def _start(jobs: Jobs, job: dict[str, Any]) -> "subprocess.Popen[bytes]":
    environment = dict(os.environ)
    arguments = []
    if job["array"] and job["variable"]:
        environment[job["variable"]] = str(job["index"])
    elif not job["variable"]:
        arguments = [str(job["index"])]
    hosts = jobs.folder / "hosts"
    hosts.write_text("".join(f"{host}\n{host}\n" for host in HOSTS))
    environment["LSB_DJOB_HOSTFILE"] = str(hosts)
    with Path(job["log"]).open("wb") as log:
        return subprocess.Popen(
            ["/bin/bash", job["script"], *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def _directives(script: str, prefix: str) -> Iterator[list[str]]:
    for line in script.splitlines():
        if line.startswith(prefix):
            yield shlex.split(line.removeprefix(prefix))


def _range(text: str) -> list[int]:
    first, last = text.split("-")
    return list(range(int(first), int(last) + 1))


# ---------------------------------------------------------------- PBS


def qsub(arguments: list[str]) -> None:
    """Take a script; say ``12.server`` or, of an array, ``12[].server``."""
    script = Path(arguments[-1]).read_text()
    told = dict(pair for pair in _directives(script, "#PBS") if len(pair) == 2)
    if told.get("-q") == "nowhere":
        sys.exit("qsub: Unknown queue")
    indices = _range(told["-J"]) if "-J" in told else [0]
    number = Jobs().submit(
        script,
        indices,
        "PBS_ARRAY_INDEX",
        lambda index: told["-o"].replace("^array_index^", str(index)),
    )
    sys.stdout.write(f"{number}{'[]' if '-J' in told else ''}.server\n")


def qstat(arguments: list[str]) -> None:
    """Describe jobs as ``qstat -x -f -t`` does, long lines broken."""
    jobs = Jobs()
    for name in (each for each in arguments if not each.startswith("-")):
        found = list(jobs.find(name))
        if not found:
            sys.stderr.write(f"qstat: Unknown Job Id {name}\n")
            sys.exit(153)
        if found[0]["array"]:
            sys.stdout.write(f"Job Id: {name}\n    job_state = B\n    array = True\n\n")
        for job in found:
            number = f"{job['number']}[{job['index']}]" if job["array"] else job["number"]
            states = {"waits": "Q", "runs": "R", "ended": "X" if job["array"] else "F"}
            facts = {"Job_Name": "ipx", "job_state": states[job["state"]]}
            if job["state"] == "waits":
                facts["comment"] = f"Not Running: {jobs.hold}"
            if job["state"] == "runs":
                facts["exec_host"] = "node1/0*2"
            if job["state"] == "ended":
                code = 256 + job["signal"] if "signal" in job else job["code"]
                facts["Exit_status"] = str(code)
            lines = "".join(f"    {_broken(f'{key} = {facts[key]}')}\n" for key in facts)
            sys.stdout.write(f"Job Id: {number}.server\n{lines}\n")


def _broken(line: str) -> str:
    return line if len(line) < 40 else f"{line[:40]}\n\t{line[40:]}"


def qdel(arguments: list[str]) -> None:
    """End jobs."""
    force = "-W" in arguments
    names = [each for each in arguments if each not in {"-W", "force"}]
    _end(names, signal.SIGKILL if force else signal.SIGTERM)


def qsig(arguments: list[str]) -> None:
    """Send a signal."""
    _end(arguments[2:], int(arguments[1]))


def pbsdsh(arguments: list[str]) -> None:
    """Run a command on each of three nodes, with few variables."""
    command = arguments[arguments.index("--") + 1 :]
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    _everywhere(HOSTS, command, bare)


# ---------------------------------------------------------------- LSF


def bsub(arguments: list[str]) -> None:
    """Take a script from standard input; say which job it is."""
    del arguments
    script = sys.stdin.read()
    told = dict(pair for pair in _directives(script, "#BSUB") if len(pair) == 2)
    if told.get("-q") == "nowhere":
        sys.stderr.write("nowhere: No such queue. Job not submitted.\n")
        sys.exit(255)
    array = re.search(r"\[(\d+-\d+)\]", told["-J"])
    number = Jobs().submit(
        script,
        _range(array[1]) if array else [0],
        "LSB_JOBINDEX",
        lambda index: told["-o"].replace("%I", str(index)),
    )
    sys.stdout.write(f"Job <{number}> is submitted to queue <normal>.\n")


def bjobs(arguments: list[str]) -> None:
    """List jobs in the form that ``-o`` asks for."""
    jobs = Jobs()
    fields = arguments[arguments.index("-o") + 1].partition(" delimiter")[0].split()
    states = {"waits": "PEND", "runs": "RUN"}
    for name in arguments[arguments.index("-o") + 2 :]:
        found = list(jobs.find(name))
        if not found:
            sys.stderr.write(f"Job <{name}> is not found\n")
        for job in found:
            code = 128 + job["signal"] if "signal" in job else job.get("code", 0)
            facts = {
                "jobid": job["number"],
                "jobindex": job["index"],
                "stat": states.get(job["state"], "EXIT" if code else "DONE"),
                "exit_code": code if job["state"] == "ended" and code else "-",
                "exec_host": "node1" if job["state"] == "runs" else "-",
                "pend_reason": f"{jobs.hold};" if job["state"] == "waits" else "-",
                "exit_reason": "TERM_OWNER: job killed by owner" if job.get("removed") else "-",
            }
            sys.stdout.write("|".join(str(facts[field]) for field in fields) + "\n")


def bkill(arguments: list[str]) -> None:
    """End jobs, or send them another signal."""
    if arguments[0] == "-s":
        known = {"KILL": int(signal.SIGKILL)}
        _end(arguments[2:], known.get(arguments[1]) or int(arguments[1]))
    else:
        _end(arguments, signal.SIGTERM)


def blaunch(arguments: list[str]) -> None:
    """Run a command on some hosts."""
    _everywhere(arguments[1].split(), arguments[2:], dict(os.environ))


# ---------------------------------------------------------------- HTCondor


def condor_submit(arguments: list[str]) -> None:
    """Take a submit description from standard input; say which jobs they are."""
    if arguments != ["-terse", "-"]:
        sys.exit(f"unexpected: {arguments}")
    lines = sys.stdin.read().splitlines()
    told = dict(line.split(" = ", 1) for line in lines if " = " in line)
    count = int(lines[-1].removeprefix("queue "))
    if "nonsense" in told:
        sys.exit("ERROR: on Line 3 of submit file")
    number = Jobs().submit(
        Path(told["executable"]).read_text(),
        range(count),
        "",
        lambda index: told["output"].replace("$(Process)", str(index)),
    )
    sys.stdout.write(f"{number}.0 - {number}.{count - 1}\n")


def condor_q(arguments: list[str]) -> None:
    """Describe jobs in JSON, none that has ended."""
    jobs = Jobs()
    ads = []
    for name in arguments[3:]:
        for job in jobs.find(name):
            ad = {"ClusterId": job["number"], "ProcId": job["index"]}
            if job["state"] == "waits":
                ads.append({**ad, "JobStatus": 5, "HoldReason": jobs.hold})
            elif job["state"] == "runs":
                ads.append({**ad, "JobStatus": 2, "RemoteHost": "slot1@node1"})
    sys.stdout.write(json.dumps(ads) if ads else "")


def condor_history(arguments: list[str]) -> None:
    """Describe a job that has ended."""
    (job,) = Jobs().find(arguments[-1])
    ad = {"ClusterId": job["number"], "ProcId": job["index"], "JobStatus": 4}
    if job.get("removed"):
        ad |= {"JobStatus": 3, "RemoveReason": "via condor_rm (by user root)"}
    elif "signal" in job:
        ad |= {"ExitBySignal": True, "ExitSignal": job["signal"]}
    else:
        ad |= {"ExitBySignal": False, "ExitCode": job["code"]}
    sys.stdout.write(json.dumps([ad]))


def condor_rm(arguments: list[str]) -> None:
    """End jobs."""
    _end(arguments, signal.SIGTERM)


# ---------------------------------------------------------------- all


def _end(names: Sequence[str], signum: int) -> None:
    jobs = Jobs()
    with (jobs.folder / "ended").open("a") as said:
        said.write(f"{' '.join(names)}\n")
    for name in names:
        for job in jobs.find(name):
            jobs.end(job, signum)


def _everywhere(hosts: Sequence[str], command: list[str], environment: dict[str, str]) -> None:
    children = [
        subprocess.Popen(command, env={**environment, "STANDIN_HOST": host}) for host in hosts
    ]

    def end(*_: object) -> None:
        for child in children:
            child.terminate()

    signal.signal(signal.SIGTERM, end)
    for child in children:
        child.wait()


def install(folder: Path) -> Path:
    """Write the programs into a folder to search, and return that."""
    programs = folder / "bin"
    programs.mkdir()
    (folder / "jobs").mkdir()
    for name in PROGRAMS:
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -S {__file__} {name} "$@"\n')
        path.chmod(0o755)
    return programs


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(Path(sys.argv[2]))
    else:
        globals()[sys.argv[1]](sys.argv[2:])
