from ipcluster_ext.agent.far import likeliest_first
from ipcluster_ext.protocol.process import Reach
from ipcluster_ext.transport.keys import mint

PAIR = mint()


def reach(*addresses: str) -> Reach:
    return Reach(addresses=list(addresses), port=1, server=PAIR.public, keys=PAIR)


def test_the_hub_is_first_looked_for_where_the_connection_has_come_from() -> None:
    sorted_ = likeliest_first(
        reach("10.0.0.1", "10.1.0.1", "10.2.0.1"), "10.1.0.1 40000 10.1.0.2 22"
    )

    assert sorted_.addresses == ["10.1.0.1", "10.0.0.1", "10.2.0.1"]


def test_without_a_connection_addresses_are_tried_as_they_are_offered() -> None:
    assert likeliest_first(reach("10.0.0.1", "10.1.0.1"), "").addresses == ["10.0.0.1", "10.1.0.1"]


def test_an_address_that_nobody_offers_is_not_tried() -> None:
    assert likeliest_first(reach("127.0.0.1"), "10.1.0.1 40000 10.1.0.2 22").addresses == [
        "127.0.0.1"
    ]
