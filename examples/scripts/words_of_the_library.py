"""A graph of tasks: count the words of the standard library, shuffle the counts, reduce them.

Run it as ``python examples/scripts/words_of_the_library.py``. Each arrow below is an answer that
is passed on as an argument: tasks wait for each other, and nothing but the last result comes here.

    read ──▶ parts ──▶ merge (first letters a to h) ──┐
    read ──▶ parts ──▶ merge (i to p)               ──┼──▶ most frequent
    read ──▶ parts ──▶ merge (q to z)               ──┘
"""

import argparse
import re
import sysconfig
from collections import Counter
from pathlib import Path

import ipcluster_ext as ipp

LETTERS = ("abcdefgh", "ijklmnop", "qrstuvwxyz")
FILES_AT_ONCE = 20

Counts = Counter[str]


def count_words(paths: list[Path]) -> Counts:
    """Count the words of some files; tell how far it is while it runs."""
    words: Counts = Counter()
    for path in ipp.progress(paths, label="reading"):
        text = path.read_text(encoding="utf-8", errors="replace")
        words.update(re.findall(r"[a-z]{3,}", text.lower()))
    return words


def part_of(words: Counts, letters: str) -> Counts:
    """Return the counts of the words that begin with one of some letters."""
    return Counter({word: count for word, count in words.items() if word[0] in letters})


def merge(*parts: Counts) -> Counts:
    """Add counts up."""
    return sum(parts, Counter())


def most_frequent(*parts: Counts, count: int) -> list[tuple[str, int]]:
    """Return the most frequent words of all parts."""
    return merge(*parts).most_common(count)


def main() -> None:
    """Count the words, and show the most frequent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="a tenth of the files")
    options = parser.parse_args()
    library = Path(sysconfig.get_path("stdlib"))
    files = sorted(path for path in library.rglob("*.py") if "site-packages" not in path.parts)
    if options.quick:
        files = files[::10]
    with ipp.Cluster(n=2) as rc:
        view = rc.load_balanced_view()
        again = ipp.Retry(2, on=(OSError,), backoff=0.1)  # a file may be locked for a moment
        readers = view.options(label="read", retries=again)
        reads = [
            readers.submit(count_words, files[start : start + FILES_AT_ONCE])
            for start in range(0, len(files), FILES_AT_ONCE)
        ]
        merged = []
        for letters in LETTERS:
            parts = [view.submit(part_of, words, letters) for words in reads]
            merged.append(view.options(label="merge").submit(merge, *parts))
        top = view.options(priority=1, label="top").submit(most_frequent, *merged, count=10)

        print(f"{len(files)} files in {len(reads)} tasks")
        for word, count in top.get():
            print(f"{word:12}{count:8}")
        tasks = rc.history(label="merge")
        print(f"{len(tasks)} merges, on engines {sorted({task.engine_id for task in tasks})}")


if __name__ == "__main__":
    main()
