"""Chance that can be repeated: the same seed, the same choices."""

_MASK = (1 << 64) - 1


class Chance:
    """A generator of pseudo-random numbers: xorshift64*, by Sebastiano Vigna (2016).

    Parameters
    ----------
    seed
        Decides every number that follows.
    """

    def __init__(self, seed: int = 1) -> None:
        self._state = (seed & _MASK) or 1

    def below(self, bound: int) -> int:
        """Return an integer from 0 up to, and without, a bound."""
        return int(self.share() * bound)

    def share(self) -> float:
        """Return a number from 0 up to, and without, 1."""
        x = self._state
        x ^= x >> 12
        x = (x ^ (x << 25)) & _MASK
        x ^= x >> 27
        self._state = x
        return ((x * 0x2545F4914F6CDD1D) & _MASK) / (_MASK + 1)
