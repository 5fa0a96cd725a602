"""The threads that run one peer's transactions."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress


class Workers:
    """Up to ``limit`` threads, started as they are needed. ``run`` and ``close`` are called by one thread.

    Unlike those of ThreadPoolExecutor they are daemons: a contract that never ends cannot keep the process from
    stopping.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count = 0

    def run(self, task: Callable[[], None], open_tasks: int) -> None:
        """Have ``task`` run; ``open_tasks`` is how many have not ended, this one among them."""
        self._tasks.put(task)
        if self._count < min(open_tasks, self._limit):
            self._count += 1
            threading.Thread(target=self._work, name="transaction", daemon=True).start()

    def close(self) -> None:
        """Every thread ends after the task it has; tasks that wait for a thread are dropped."""
        with suppress(queue.Empty):
            while True:
                self._tasks.get_nowait()
        for _ in range(self._count):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
