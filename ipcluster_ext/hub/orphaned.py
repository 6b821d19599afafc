"""What a hub does whose agent has died without ending the cluster: it does so in its place."""

import logging
import shutil

from ipcluster_ext.protocol.process import HubConfig
from ipcluster_ext.transport import processes

_WITHIN = 2.0
"""How long the end of the cluster's processes may take, in seconds."""

log = logging.getLogger(__name__)


def end_cluster(config: HubConfig) -> None:
    """Kill every other process of the cluster, and delete its folders.

    Parameters
    ----------
    config
        The hub's own, which names them.
    """
    log.error("the agent has died; the cluster ends")
    processes.end_members(config.folder, within=_WITHIN)
    for folder in (config.blobs, config.folder):
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
