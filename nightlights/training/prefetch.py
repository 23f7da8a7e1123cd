"""Prepare the next batches in threads while the device works on the present one."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(
    make: Callable[[int], Item], indices: range, workers: int = 1, ahead: int = 2
) -> Generator[Item, None, None]:
    """``make(index)`` for every index, in order, prepared up to ``ahead`` items before they are asked for.

    Closing the iterator, or an exception, drops what was not begun.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        pending: deque[Future[Item]] = deque()
        try:
            for index in indices:
                pending.append(pool.submit(make, index))
                if len(pending) > max(ahead, workers):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
