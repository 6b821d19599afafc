"""``python -m ipcluster_ext.engine``: one engine, started where the zygote cannot fork."""

import os
import signal
import sys

from ipcluster_ext.engine.birth import take_place
from ipcluster_ext.protocol.process import EngineConfig, from_line
from ipcluster_ext.transport.processes import die_with

signal.signal(signal.SIGINT, signal.SIG_IGN)
config = from_line(sys.stdin.buffer.readline(), EngineConfig)
die_with(config.parent)
os.environ.update(config.share.environment)  # what is imported now heeds it

from ipcluster_ext.engine import app  # noqa: E402 - takes long; the agent may die meanwhile

app.warm(numpy=False)
take_place(config)
app.run(config)
