"""What all sockets on TCP have in common: CURVE, and a limit to everything.

There is no way to make one here that does not encrypt.
"""

import zmq

from ipcluster_ext.protocol.keys import KeyPair
from ipcluster_ext.transport.pieces import PIECE

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]

HANDSHAKE_MS, KNOCKED_MS = 2_000, 1_500
"""A connection whose other end has not proved within this who it is is closed: the hub's that of
its visitors, and theirs that of who should be the hub.
"""
HIGH_WATER = 1_000
"""So many packets wait on either side; what comes beyond stays in its ledger."""
HEARTBEAT_MS, SILENT_MS = 2_000, 8_000
"""A connection is asked for signs of life so often, and given up after so long without one."""
CONNECT_MS, RETRY_MS, RETRY_MAX_MS = 1_000, 50, 500
_OVERHEAD = 256
_KEEPALIVE_S = 60

DOMAINS = ("ipcluster-ext.client", "ipcluster-ext.engine")
"""The domains in which ZeroMQ asks who may come in, one for each door."""


def make_door(context: Context, keys: KeyPair, domain: str) -> Socket:
    """Make a hub's socket: it admits nobody of whom nobody has said that he may come in."""
    door = context.socket(zmq.ROUTER)
    _limit(door)
    door.setsockopt(zmq.ROUTER_MANDATORY, 1)
    _use(door, keys)
    door.setsockopt(zmq.CURVE_SERVER, 1)
    door.setsockopt_string(zmq.ZAP_DOMAIN, domain)
    door.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    return door


def make_dealer(context: Context, keys: KeyPair, server: str) -> Socket:
    """Make a peer's socket, which speaks to the one hub whose public key is given."""
    dealer = context.socket(zmq.DEALER)
    _limit(dealer)
    dealer.setsockopt(zmq.HANDSHAKE_IVL, KNOCKED_MS)
    dealer.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
    dealer.setsockopt(zmq.RECONNECT_IVL, RETRY_MS)
    dealer.setsockopt(zmq.RECONNECT_IVL_MAX, RETRY_MAX_MS)
    _use(dealer, keys)
    dealer.setsockopt(zmq.CURVE_SERVERKEY, server.encode())
    return dealer


def _use(socket: Socket, keys: KeyPair) -> None:
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.reveal().encode())


def _limit(socket: Socket) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IPV6, 0)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
    socket.setsockopt(zmq.MAXMSGSIZE, PIECE + _OVERHEAD)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENT_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_S)
