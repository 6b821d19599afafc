from ipcluster_ext.magics.options import Said
from ipcluster_ext.magics.settings import Settings


def test_at_first_output_is_streamed_and_interrupts_are_passed_on() -> None:
    assert Settings() == Settings(
        stream=True, verbose=False, progress_after=2.0, signal_on_interrupt=2, debug=False
    )


def test_they_are_written_as_options() -> None:
    assert str(Settings(stream=False, signal_on_interrupt=9)) == (
        "--no-stream --no-verbose --no-debug --progress-after 2 --signal-on-interrupt SIGKILL"
    )
    assert str(Settings(signal_on_interrupt=0)).endswith(" --signal-on-interrupt 0")


def test_what_a_line_says_holds_and_the_rest_stays() -> None:
    settings = Settings(progress_after=5.0).but(Said(stream=False, signal_on_interrupt=0))

    assert settings == Settings(stream=False, progress_after=5.0, signal_on_interrupt=0)
