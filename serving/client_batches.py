"""Many images in requests of bounded size, a few of which are under way at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tfipgan.data.local_images import LocalImage
from tfipgan.errors import InputError
from tfipgan.serving.client_errors import RefusedError, TooLargeError

Key = TypeVar("Key")
# Under the 4 MiB that gRPC servers take unless they are told otherwise; TensorFlow
# Serving is.
MAX_REQUEST_BYTES = 3 * 2**20


def each_answer(
    images: Iterable[tuple[Key, LocalImage]],
    ask: Callable[[list[bytes]], Sequence],
    batch_size: Callable[[], int],
    *,
    in_flight: int = 4,
    max_bytes: int = MAX_REQUEST_BYTES,
) -> Iterator[tuple[Key, object]]:
    """Give for each image the server's answer, in order.

    The first request is made alone: what is wrong with all of them shows once, and
    `batch_size` may depend on its answer. A request that the server refuses is made
    again one image at a time, one that is too large in halves.

    Args:
        images: read as they are needed.
        ask: files to their answers, one each; called from several threads.
        batch_size: images of the next request.
        in_flight: requests at a time.
        max_bytes: of a request, unless one image alone is larger.

    Yields:
        (key, answer); the answer is a `RefusedError` if the server took the others of
        its request or an earlier one, but not this image.

    Raises:
        InputError: the server refuses all of the first request; what `ask` raises.
    """
    batches = _batches(images, batch_size, max_bytes)
    first = next(batches, None)
    if first is None:
        return
    answers = _answers(first, ask)
    refused = [answer for _, answer in answers if isinstance(answer, RefusedError)]
    if len(refused) == len(answers):
        path = first[0][1].path
        if len(refused) == 1:
            raise InputError(f"{path}: {refused[0]}")
        raise InputError(
            f"{refused[0]} (so for all {len(refused)} images of the first request, "
            f"from {path} on)"
        )
    yield from answers
    pool, pending = ThreadPoolExecutor(in_flight), deque()
    try:
        for batch in batches:
            pending.append(pool.submit(_answers, batch, ask))
            # One more than can run, so that a thread that ends has its next.
            if len(pending) > in_flight:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        # Not waited for: after an error they end when the client is closed.
        pool.shutdown(wait=False, cancel_futures=True)


def _batches(images, batch_size, max_bytes):
    """Give lists of (key, image, contents), none empty."""
    batch, held = [], 0
    for key, image in images:
        contents = image.contents()
        if batch and (len(batch) >= batch_size() or held + len(contents) > max_bytes):
            yield batch
            batch, held = [], 0
        batch.append((key, image, contents))
        held += len(contents)
    if batch:
        yield batch


def _answers(batch, ask):
    """Return (key, answer) of each of a batch."""
    try:
        rows = ask([contents for _, _, contents in batch])
    except TooLargeError as error:
        if len(batch) == 1:
            return [(batch[0][0], RefusedError(f"it alone is too large: {error}"))]
        half = len(batch) // 2
        return _answers(batch[:half], ask) + _answers(batch[half:], ask)
    except RefusedError as refusal:
        if len(batch) == 1:
            return [(batch[0][0], refusal)]
        return [answer for one in batch for answer in _answers([one], ask)]
    return [(key, row) for (key, _, _), row in zip(batch, rows, strict=True)]
