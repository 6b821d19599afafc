"""A hub tries its own doors on TCP before anybody else can: they have to be shut.

A ZeroMQ that was built or set up otherwise than was thought would let everybody in without a word.
So strangers knock at each door, one without encryption and one with keys that nobody knows, and
the hub does not begin to work unless it has seen both turned away.
"""

import time

import zmq

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.curve import Context, make_dealer
from ipcluster_ext.transport.keys import mint
from ipcluster_ext.transport.knocking import Knocking
from ipcluster_ext.transport.tcpdoors import TcpDoors

WITHIN = 5.0
_TURN = 0.005


def prove_shut(doors: TcpDoors, server: str) -> None:
    """Refuse to go on unless every stranger is turned away.

    Parameters
    ----------
    doors
        The doors, which nobody else serves meanwhile.
    server
        The hub's public key.

    Raises
    ------
    ClusterError
        A stranger was let in, or it cannot be told.
    """
    context: Context = zmq.Context()
    strangers = [
        (f"a stranger {how} at {host}:{port}", Knocking(socket), socket, f"{host}:{port}")
        for port in doors.ports
        for host in doors.hosts
        for how, socket in (
            ("without keys", context.socket(zmq.DEALER)),
            ("with keys of his own", make_dealer(context, mint(), server)),
        )
    ]
    try:
        for _, _, socket, address in strangers:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(f"tcp://{address}")
        _watch(doors, {who: knocking for who, knocking, _, _ in strangers})
    finally:
        for _, knocking, _, _ in strangers:
            knocking.close()
        context.destroy(linger=0)


def _watch(doors: TcpDoors, strangers: dict[str, Knocking]) -> None:
    deadline = time.monotonic() + WITHIN
    while strangers:
        doors.answer()
        for who, knocking in list(strangers.items()):
            knocking.hear()
            if knocking.admitted:
                msg = f"{who} was let in; the hub does not listen on TCP so"
                raise ClusterError(msg)
            if knocking.turned_away:
                del strangers[who]
        if time.monotonic() >= deadline:
            msg = f"{next(iter(strangers))} got no answer in {WITHIN} s; is TCP filtered here?"
            raise ClusterError(msg)
        time.sleep(_TURN)
