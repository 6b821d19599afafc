import copy
import logging
import pickle
import traceback

import msgspec
import pytest

from ipcluster_ext.protocol.keys import HIDDEN, KeyPair, Secret
from ipcluster_ext.transport.keys import HubKeys, mint


def test_every_pair_is_another() -> None:
    pairs = [mint() for _ in range(50)]

    assert len({pair.public for pair in pairs} | {pair.secret.reveal() for pair in pairs}) == 100


def test_a_secret_shows_itself_to_those_who_say_so_and_to_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pair = mint()

    def fail(secret: Secret) -> None:
        msg = f"it failed with {secret} and {pair!r}"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="failed") as failure:
        fail(pair.secret)
    told = "".join(
        traceback.TracebackException.from_exception(failure.value, capture_locals=True).format()
    )
    with caplog.at_level(logging.DEBUG):
        logging.getLogger(__name__).info("%s %r %s", pair.secret, pair.secret, pair)

    shown = [repr(pair), str(pair.secret), f"{pair.secret}", f"{pair.secret!r}", told, caplog.text]
    assert [pair.secret.reveal() in each for each in shown] == [False] * 6
    assert str(pair.secret) == HIDDEN


@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy])
def test_a_secret_is_neither_pickled_nor_copied(way: object) -> None:
    assert callable(way)
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        way(mint())


def test_a_secret_gets_into_json_only_by_the_hand_of_who_reveals_it() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(mint())


@pytest.mark.parametrize("text", ["", "x" * 39, "x" * 41, "x" * 39 + "\n", "x" * 39 + "~"])
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a secret key$"):
        Secret(text)


def test_secrets_are_compared_by_what_they_are() -> None:
    secret = mint().secret
    same = Secret(secret.reveal())

    assert (secret == same, hash(secret) == hash(same), secret == mint().secret) == (
        True, True, False,
    )  # fmt: skip
    assert secret != secret.reveal()
    assert KeyPair("p", secret) == KeyPair("p", same)


def test_a_hub_admits_an_agent_at_one_door_and_clients_on_its_host_at_the_other() -> None:
    keys = HubKeys(
        server=mint(), clients=["c"], engines=["e"], agents={"a1": "c1", "a2": "", "a3": "c3"}
    )

    assert keys.admitted == (["c", "c1", "c3"], ["e", "a1", "a2", "a3"])
