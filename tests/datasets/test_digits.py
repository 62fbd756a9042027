from __future__ import annotations

import numpy as np
import pytest

from nas.datasets import Digits
from nas.errors import UserError


def test_parts_are_disjoint_complete_and_always_the_same() -> None:
    images = Digits(960, 300).load()
    assert [len(images.part(part)[0]) for part in ("train", "valid", "test")] == [960, 300, 537]
    assert images.x_train.shape[1:] == (1, 8, 8)
    assert images.classes == 10
    assert images.digest == Digits(960, 300).load().digest
    assert (images.x_train.min(), images.x_train.max()) == (-1, 1)
    # a change would void the embedded table
    assert images.digest.startswith("dc16f9b060909f90")


def test_every_part_has_every_class() -> None:
    images = Digits().load()
    for part in ("train", "valid", "test"):
        counts = np.bincount(images.part(part)[1], minlength=10)
        assert counts.min() > 0.5 * counts.mean()


@pytest.mark.parametrize(("train", "valid"), [(31, 10), (32, 0), (1000, 797)])
def test_sizes_out_of_range_are_refused(train: int, valid: int) -> None:
    with pytest.raises(UserError, match=rf"^(train is {train}|valid is {valid}), must be at (least|most)"):
        Digits(train, valid)
