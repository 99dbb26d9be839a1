"""What the benchmark's task is about: a function with a mistake in it."""


def mean(numbers: list[float]) -> float:
    """The mean of some numbers."""
    return sum(numbers) / (len(numbers) - 1)
