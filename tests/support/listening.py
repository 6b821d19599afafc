"""Where processes listen on TCP."""

import psutil


def listening_of(pid: int) -> set[tuple[str, int]]:
    """Return where a process listens on TCP."""
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
