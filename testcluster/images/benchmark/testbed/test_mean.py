# The package is installed in the image alone.
# pyright: reportMissingImports=false, reportUnknownVariableType=false

from arithmetic import mean


def test_the_mean_lies_in_the_middle() -> None:
    """Of three numbers in a row it is the second."""
    assert mean([1.0, 2.0, 3.0]) == 2.0
