"""Knocking at a hub's door for other hosts."""

from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.transport.channel import Channel
from tests.support.waiting import wait_until


def trouble_at(address: TcpAddress, timeout: float = 10.0) -> str:
    """Knock at a door; return why nobody is let in, empty if somebody is."""
    channel = Channel(address, identity=b"far", boot=1)
    try:
        channel.ping()

        def answered() -> bool:
            channel.wait(0.02)
            channel.receive()
            return bool(channel.trouble) or channel.connected

        wait_until(answered, timeout)
        return channel.trouble
    finally:
        channel.close()
        channel.release()
