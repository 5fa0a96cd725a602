"""Files of tasks that are over are written over here, too, as small as they are."""

from collections.abc import Iterator

import pytest

from zoneshare.epow import spare


@pytest.fixture(autouse=True, scope="session")
def small_files_are_used_again() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spare, "LEAST", 1)
        yield
