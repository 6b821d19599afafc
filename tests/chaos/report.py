"""What came of a scenario: figures to read, limits to keep, and what must never be."""

import os
from dataclasses import dataclass, field
from typing import NamedTuple

SLACK = float(os.environ.get("CI_SLOW", "1"))
"""So many times longer things may take here; counts never get any slack."""


class Limit(NamedTuple):
    """A figure that must not be larger than something."""

    name: str
    figure: float
    most: float


@dataclass(slots=True)
class Report:
    """What came of a scenario.

    Attributes
    ----------
    fault, follows
        What was done, and what is to follow.
    test
        Which test does the same with short figures.
    figures
        What was measured, by name.
    limits
        Times that were promised.
    wrong
        What must never be, and was.
    """

    fault: str
    follows: str
    test: str = ""
    figures: dict[str, float | int | str] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def never(self, what: str, found: object) -> None:
        """Note something that must not be, if anything was found."""
        if found:
            text = str(found)
            self.wrong.append(f"{what}: {text if len(text) < 300 else text[:300] + ' ...'}")

    def limit(self, name: str, figure: float, most: float) -> None:
        """Note a time, or anything else that a slow machine makes larger, and what it may be."""
        self.figures[name] = round(figure, 3)
        self.limits.append(Limit(name, figure, most))

    def broken(self, slack: float = SLACK) -> list[str]:
        """Return everything that is not as it should be; limits may be exceeded so many times."""
        late = [
            f"{limit.name}: {limit.figure:.3f}, promised {limit.most:g}"
            for limit in self.limits
            if limit.figure > limit.most * slack
        ]
        return self.wrong + late

    def row(self) -> str:
        """Return a row of a table in Markdown."""
        figures = ", ".join(f"{name} {figure}" for name, figure in self.figures.items())
        bad = "".join(f"; **{what}**" for what in self.broken())
        return f"| {self.fault} | {self.follows} | {figures}{bad} | `{self.test}` |"
