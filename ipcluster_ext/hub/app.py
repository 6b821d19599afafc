"""The hub's process: reads its configuration, binds its sockets, runs its loop."""

import faulthandler
import gc
import logging
import os
import secrets
import signal
import sys
import time
from pathlib import Path

import msgspec

from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.state import Place
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.hub.loop import Loop
from ipcluster_ext.hub.orphaned import end_cluster
from ipcluster_ext.hub.ports import Ports
from ipcluster_ext.protocol.process import END_OF_HUB, HUB_MISCONFIGURED, HubConfig, TcpConfig
from ipcluster_ext.protocol.versions import versions_of
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.blobs import BlobStore
from ipcluster_ext.transport.descriptors import raise_limit
from ipcluster_ext.transport.files import client_socket, engine_socket, open_doors_file
from ipcluster_ext.transport.journal import Journal
from ipcluster_ext.transport.notes import Notes
from ipcluster_ext.transport.router import Annex, Router
from ipcluster_ext.transport.thishost import host_identity

NOTES = "sent"
"""The file beside the journal that says what is with engines on other hosts."""

log = logging.getLogger(__name__)


def main() -> int:
    """Run a hub until its standard input ends.

    If that ends without a word, the agent has died, and everything is ended here.

    Returns
    -------
    The exit code.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.enable()
    config = msgspec.json.decode(sys.stdin.buffer.raw.readline(), type=HubConfig)  # type: ignore[union-attr]
    conduct = config.conduct
    _tame_the_collector()
    folder = Path(config.folder)
    raise_limit()
    try:
        outside = None if conduct.tcp is None else _open_outside(folder, conduct.tcp)
    except ClusterError as error:
        if open_doors_file(folder).exists():  # for the hub before this one it was possible
            raise
        log.critical("%s", error)
        return HUB_MISCONFIGURED
    doors = [client_socket(folder), engine_socket(folder)]
    router = Router(doors, lifeline=sys.stdin.fileno(), annex=outside)
    epoch = time.time_ns() / 1e9 - time.monotonic()
    core = Hub(
        Place(os.getpid(), host_identity(), config.blobs, epoch, versions_of()),
        policy=conduct.policy,
        hwm=conduct.hwm,
        seed=secrets.randbits(63),
        most_remembered=conduct.history,
        remembered_for=conduct.history_age,
        patience=conduct.patience,
    )
    journal = Journal(Path(config.journal) if config.journal else None)
    notes = Notes(Path(config.journal).with_name(NOTES) if config.journal else None)
    if config.journal:
        _take_over(core, journal, notes.recovered, first=config.first)
    boot = secrets.randbelow(2**31 - 1) + 1
    ports = Ports(
        router,
        boot,
        journal=bool(config.journal),
        quiet=conduct.patience.quiet,
        read=BlobStore(config.blobs, "hub").view,
    )
    if outside is None:  # else it listens to that: there are other keys
        # The system hangs up on who is stopped when the agent, the head of the family, dies.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    processes.wake_at_end_of_parent()
    try:
        Loop(core, ports, router, journal, notes).run()
        ports.farewell(core.far_agents)
    finally:
        router.close()
        journal.close()
        notes.close()
    if END_OF_HUB not in router.last_words:
        end_cluster(config)
    return 0


def _open_outside(folder: Path, tcp: TcpConfig) -> Annex:
    from ipcluster_ext.hub.outside import Outside  # ZeroMQ takes a while to import

    return Outside(folder, tcp)


def _take_over(core: Hub, journal: Journal, sent: bytes, *, first: bool) -> None:
    """Have the core go on where the hub before it ended, if there was one."""
    rows, journal.recovered = journal.recovered, []
    began = time.monotonic()
    pages = None if first else [(row.number, row.data) for row in rows]
    damaged = core.keep_journal(pages, now=began, sent=sent)
    if not first:
        took = time.monotonic() - began
        log.warning("took over from another hub: %d pages read in %.3f s", len(rows), took)
    if damaged or journal.lost:
        core.announce(
            f"{damaged + journal.lost} entries of the hub's journal are damaged: tasks that stood "
            "there are lost unless an engine or a client still knows them"
        )


def _tame_the_collector() -> None:
    """Have the garbage collector look seldom: the hub's tables hold no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)
