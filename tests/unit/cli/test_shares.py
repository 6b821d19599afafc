import pytest

from ipcluster_ext.cli.main import parser


def test_what_engines_may_use_can_be_said() -> None:
    words = ["start", "--pin", "--gpus", "0,2", "--threads", "2", "--memory-limit", "4 GB"]

    options = parser().parse_args(words)

    assert (options.pin, options.gpus, options.threads, options.memory_limit) == (
        "cores",
        [0, 2],
        2,
        "4 GB",
    )


def test_nothing_is_said_otherwise() -> None:
    options = parser().parse_args(["start"])

    assert (options.pin, options.gpus, options.threads, options.memory_limit) == (None,) * 4


def test_gpus_may_be_those_that_are_there() -> None:
    assert parser().parse_args(["start", "--gpus", "auto"]).gpus == "auto"


def test_gpus_are_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["start", "--gpus", "all"])

    assert "--gpus" in capsys.readouterr().err
