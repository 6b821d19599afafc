from pathlib import Path

from ipcluster_ext.cluster.launchers.sshwords import SshOptions
from ipcluster_ext.cluster.tunnel import forwarding


def test_a_tunnel_joins_two_socket_files_and_ends_with_whoever_made_it() -> None:
    options = SshOptions(user="ann", port=2222)

    words = forwarding(options, "n1", Path("/tmp/x/clients.sock"), "/run/y/clients.sock")

    assert words == [
        *("ssh", "-p", "2222", "-l", "ann"),
        *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
        *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
        *("-o", "ExitOnForwardFailure=yes", "-o", "StreamLocalBindUnlink=yes"),
        *("-o", "ControlPath=none", "-L", "/tmp/x/clients.sock:/run/y/clients.sock"),
        *("-T", "-x", "--", "n1", "echo up; exec cat >/dev/null"),
    ]
