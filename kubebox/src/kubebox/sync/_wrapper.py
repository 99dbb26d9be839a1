"""What all classes of `kubebox.sync` are: an asynchronous object, and a share in the loop that it lives on."""

from typing import Any, Generic, Self, TypeVar, cast

from kubebox.sync._share import Share

Inner = TypeVar("Inner")


class Wrapper(Generic[Inner]):
    """Calls an asynchronous object, and waits. Two that call the same one are equal."""

    _share: Share
    _inner: Inner

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is not constructed: other calls give one")

    @classmethod
    def _of(cls, share: Share, inner: Inner) -> Self:
        wrapper = cls.__new__(cls)
        wrapper._share = share
        wrapper._inner = inner
        return wrapper

    def __repr__(self) -> str:
        return repr(self._inner)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Wrapper):
            return NotImplemented
        return self._inner is cast("Wrapper[Any]", other)._inner

    def __hash__(self) -> int:
        return hash(self._inner)
