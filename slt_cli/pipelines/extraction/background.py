"""Work beside the estimator: one thread, a few tasks behind at most."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

_PENDING = 8  # frames whose crops may wait while the estimator works on the next


class Background:
    """One thread that works through what it is given, a few tasks behind at most."""

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)

    def submit(self, task: Callable[..., None], *args: Any) -> None:
        """Queue a task; waits, and raises what an earlier one raised, when too many are open."""
        if len(self._pending) >= _PENDING:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(task, *args))

    def finish(self) -> None:
        """Wait for all tasks; raises what one of them raised."""
        while self._pending:
            self._pending.popleft().result()
