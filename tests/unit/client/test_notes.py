import threading

from ipcluster_ext.client.notes import Notes


def test_text_is_all_that_was_written_so_far_to_that_stream() -> None:
    notes = Notes()
    for stream, text in (("stdout", "a"), ("stderr", "e"), ("stdout", "b")):
        notes.write(stream, text)

    assert (notes.text("stdout"), notes.text("stderr"), notes.text("other")) == ("ab", "e", "")
    notes.write("stdout", "c")
    assert (notes.text("stdout"), notes.lengths) == ("abc", {"stdout": 3, "stderr": 1})


def test_whoever_reads_while_it_is_written_gets_a_beginning_of_it() -> None:
    notes = Notes()
    whole = "".join(f"{number}," for number in range(20_000))
    read: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            read.append(notes.text("stdout"))

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(20_000):
        notes.write("stdout", f"{number},")
    done.set()
    for reader in readers:
        reader.join()

    assert notes.text("stdout") == whole
    assert all(whole.startswith(text) for text in read)
