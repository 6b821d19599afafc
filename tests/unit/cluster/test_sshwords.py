import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.cluster.launchers.sshwords import (
    Host,
    Route,
    SshOptions,
    Tunnel,
    arguments,
    check_variable,
    command_line,
    hosts_of,
    question,
    route,
    shares,
    total,
    verdict,
)
from ipcluster_ext.errors import ClusterError


def test_hosts_are_named_with_users_and_numbers() -> None:
    assert hosts_of(["n1", "n2:4", "ann@n3:2", Host(host="n4", n=8, python="/opt/python")]) == [
        Host(host="n1"),
        Host(host="n2", n=4),
        Host(host="ann@n3", n=2),
        Host(host="n4", n=8, python="/opt/python"),
    ]


def test_an_address_of_ipv6_stands_in_a_table() -> None:
    assert hosts_of([Host(host="fe80::1%eth0")]) == [Host(host="fe80::1%eth0")]


@pytest.mark.parametrize(
    "name",
    [
        "-oProxyCommand=evil",
        "a b",
        "a;b",
        "$(b)",
        "n1:x",
        "n1:",
        "",
        "@n1",
        "-l@n1",
        "n\n1",
        "n1:0",
    ],
)
def test_what_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(ClusterError):
        hosts_of([name])


def test_no_hosts_are_too_few() -> None:
    with pytest.raises(ClusterError, match=r'needs hosts, as in hosts = \["n1", "n2:4"\]'):
        hosts_of([])


def test_a_host_is_named_once() -> None:
    with pytest.raises(ClusterError, match="'n1' is named 2 times"):
        hosts_of(["n1", "n1:3"])


def test_engines_are_spread_over_hosts_without_a_number() -> None:
    hosts = hosts_of(["n1", "n2:4", "n3"])

    assert shares(hosts, 9) == [3, 4, 2]
    assert shares(hosts, 4) == [0, 4, 0]


@pytest.mark.parametrize("count", [3, 5])
def test_numbers_that_do_not_add_up_are_refused(count: int) -> None:
    with pytest.raises(ClusterError, match=f"{count} engines are asked for.*make 4"):
        shares(hosts_of(["n1:4"]), count)


def test_without_a_number_hosts_have_as_many_as_is_usual() -> None:
    assert total(hosts_of(["n1", "n2:4"]), each=2) == 6


def test_what_the_user_says_comes_first() -> None:
    options = SshOptions(config="cfg", port=2222, jump="gate", arguments=["-o", "A=b"])

    said = arguments(options, "n1", "exec python", None)

    assert said == [
        *("ssh", "-F", "cfg", "-p", "2222", "-J", "gate", "-o", "A=b"),
        *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
        *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
        *("-o", "ClearAllForwardings=yes", "-T", "-x", "--", "n1", "exec python"),
    ]


def test_a_tunnel_begins_at_the_far_hosts_own_address_and_has_a_way_to_either_door() -> None:
    said = arguments(SshOptions(), "n1", "x", Tunnel(20_000, ("10.0.0.5", 41_002, 41_003)))

    assert [said[place + 1] for place, word in enumerate(said) if word == "-R"] == [
        "127.0.0.1:20000:10.0.0.5:41002",
        "127.0.0.1:20001:10.0.0.5:41003",
    ]
    assert "ExitOnForwardFailure=yes" in said
    assert "ClearAllForwardings=yes" not in said


def test_ssh_is_asked_what_it_would_do_with_all_that_the_user_says() -> None:
    options = SshOptions(config="cfg", port=2222, jump="gate", arguments=["-o", "A=b"])

    assert question(options, "ann@n1") == [
        *("ssh", "-F", "cfg", "-p", "2222", "-J", "gate", "-o", "A=b", "-G", "--", "ann@n1")
    ]


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("user ann\nhostname 10.0.0.9\nport 22\n", Route("10.0.0.9", direct=True)),
        ("hostname n1.site\nproxyjump gate\n", Route("n1.site", direct=False)),
        ("hostname n1.site\nproxycommand nc %h %p\n", Route("n1.site", direct=False)),
        ("hostname n1.site\nproxycommand none\n", Route("n1.site", direct=True)),
        ("", Route("n1", direct=True)),
    ],
)
def test_what_ssh_answers_says_how_it_reaches_a_host(said: str, known: Route) -> None:
    assert route(said, "ann@n1") == known


nasty = st.text(st.characters(blacklist_characters="\0\n", blacklist_categories=["Cs"]))


@given(value=nasty, word=nasty)
def test_the_shell_there_splits_a_command_as_it_was(value: str, word: str) -> None:
    line = command_line(["python", f"-{word}"], {"A": value})

    assert shlex.split(line) == ["exec", "env", f"A={value}", "python", f"-{word}"]


def test_no_text_runs_anything_in_the_shell_there() -> None:
    value = '\'; touch /tmp/never; echo $(id) `id` "x" \\'

    line = command_line(["printenv", "A"], {"A": value})

    shell = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert shell.stdout == f"{value}\n"


def test_the_home_of_the_far_user_is_meant_by_a_tilde() -> None:
    assert command_line(["~/my venv/bin/python"], {}) == "exec ~/'my venv/bin/python'"


@pytest.mark.parametrize(("name", "value"), [("A=B", "x"), ("1A", "x"), ("A", "x\ny"), ("", "x")])
def test_what_is_no_variable_is_refused(name: str, value: str) -> None:
    with pytest.raises(ClusterError):
        check_variable(name, value)


@pytest.mark.parametrize(
    ("code", "said", "reason", "hopeless"),
    [
        (255, "Host key verification failed.", "host key is not known here", True),
        (255, "a@n1: Permission denied (publickey).", "without a password", True),
        (255, "ssh: Could not resolve hostname n1: x", "no host of that name", False),
        (255, "ssh: connect to host n1 port 22: No route to host", "No route to host", False),
        (255, "Error: remote port forwarding failed for listen port 1", "tunnel cannot", False),
        (127, "sh: 1: exec: /no/python: not found", "there is no Python '/no/python'", True),
        (126, "sh: Permission denied", "cannot be executed", True),
        (1, "/no/python: No module named ipcluster_ext", "-m pip install ipcluster-ext", True),
        (1, "the hub refused this agent: too old", "the hub refused this agent", True),
        (69, "the agent cannot start: n1 cannot reach the hub", "cannot reach the hub", False),
        (-9, "", "killed by signal 9", False),
    ],
)
def test_the_reason_of_an_end_is_told(code: int, said: str, reason: str, hopeless: bool) -> None:
    told = verdict(host="n1", python="/no/python", code=code, said=said, up=False)

    assert reason in told.reason
    assert told.hopeless is hopeless


def test_a_connection_that_was_up_is_tried_again_whatever_it_says() -> None:
    told = verdict(host="n1", python="python", code=255, said="Permission denied", up=True)

    assert told.reason == "the connection ended: exit code 255 (Permission denied)"
    assert not told.hopeless
