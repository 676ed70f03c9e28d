"""Work for each of many things in a few threads, without a queue of them all."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

# Things that are under way at a time: a queue of a thing takes a kilobyte and more.
AT_ONCE = 1024

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    function: Callable[[T], R], things: Iterable[T], threads: int
) -> Iterator[R]:
    """Yield the function's result for each thing, in order.

    Args:
        function: its error ends the work, and comes through.
        things: read as they are needed.
        threads: so many calls at a time.
    """
    remaining = iter(things)
    with ThreadPoolExecutor(threads) as pool:
        while some := list(islice(remaining, AT_ONCE)):
            yield from pool.map(function, some)
