"""``python -m ipcluster_ext.engine``: one engine, started where the zygote cannot fork."""

import os
import signal
import sys

import msgspec

from ipcluster_ext.engine.birth import one_thread_each, take_place
from ipcluster_ext.protocol.process import EngineConfig
from ipcluster_ext.transport.processes import die_with

signal.signal(signal.SIGINT, signal.SIG_IGN)
config = msgspec.json.decode(sys.stdin.buffer.readline(), type=EngineConfig)
die_with(config.parent)
one_thread_each(os.environ)

from ipcluster_ext.engine import app  # noqa: E402 - takes long; the agent may die meanwhile

app.warm(numpy=False)
take_place(config)
app.run(config)
