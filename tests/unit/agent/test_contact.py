from ipcluster_ext.agent.contact import Contact
from ipcluster_ext.protocol.process import Patience

PATIENCE = Patience(solitude=300.0, orphanhood=20.0)


def ask(contact: Contact, since: float, until: float) -> None:
    """Ask for a sign of life every two seconds."""
    at = since
    while at < until:
        at += 2.0
        contact.asked(every=2.0, now=at)


def met(patience: Patience = PATIENCE) -> Contact:
    contact = Contact(patience, now=0.0)
    contact.heard()
    return contact


def test_an_agent_stays_while_its_hub_is_heard() -> None:
    contact = met()
    for minute in range(60):
        ask(contact, minute * 60.0, minute * 60.0 + 60.0)
        contact.heard()

    assert contact.verdict == ""


def test_it_ends_when_the_hub_has_not_been_heard_for_long() -> None:
    contact = met()
    ask(contact, 0.0, 298.0)
    assert contact.verdict == ""

    ask(contact, 298.0, 300.0)

    assert contact.verdict == "the hub has not been heard for 300 s"


def test_it_ends_sooner_if_whoever_started_it_is_gone_without_a_word() -> None:
    contact = met()
    contact.told(b"")
    ask(contact, 0.0, 18.0)
    assert contact.verdict == ""

    ask(contact, 18.0, 20.0)

    assert contact.verdict == (
        "the hub has not been heard for 20 s, and whoever started this agent is gone"
    )


def test_it_stays_with_a_hub_that_is_heard_whoever_is_gone() -> None:
    contact = met()
    contact.told(b"")
    ask(contact, 0.0, 18.0)
    contact.heard()
    ask(contact, 18.0, 36.0)

    assert contact.verdict == ""


def test_time_in_which_it_was_asleep_does_not_count() -> None:
    contact = met()
    contact.asked(every=2.0, now=10_000.0)

    assert contact.verdict == ""


def test_a_hub_that_never_answers_is_not_waited_for_as_long() -> None:
    contact = Contact(PATIENCE, now=0.0)
    ask(contact, 0.0, 30.0)

    assert contact.verdict == "the hub has not answered within 30 s"


def test_it_waits_for_ever_if_it_is_told_to() -> None:
    contact = met(Patience(solitude=0.0, orphanhood=0.0))
    contact.told(b"")
    ask(contact, 0.0, 100_000.0)

    assert contact.verdict == ""


def test_it_is_dismissed_by_a_word_however_that_comes() -> None:
    contact = met()
    contact.told(b"hello\ne")
    assert not contact.dismissed

    contact.told(b"nd\n")

    assert contact.dismissed
