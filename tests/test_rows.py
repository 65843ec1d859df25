"Rows: one form for every data set, and what does not fit into it."

import numpy as np
import pytest
import torch

from unet_explorer.contracts import InputError
from unet_explorer.rows import (
    dataset_of,
    image_cell,
    mask_cell,
    meta,
    path_cell,
    renumbered,
    sample,
)

HALF = np.array([[0, 255], [255, 0]])


def rows(*masks):
    return [(image_cell(torch.rand(1, 2, 2)), m, "g", f"n{i}") for i, m in enumerate(masks)]


def complaint(f, *args, **options):
    with pytest.raises(InputError) as e:
        f(*args, **options)
    assert "\n" not in str(e.value)
    return str(e.value)


def test_numbers_that_swap_are_not_lost():
    ds = dataset_of(renumbered(rows(HALF // 255), {0: 1, 1: 0}), classes=["a", "b"])
    assert sample(ds, 0)[1].tolist() == [[1, 0], [0, 1]] and meta(ds) == {"classes": ["a", "b"]}


@pytest.mark.parametrize("mapping", [{0: 0, 1: 1}, {255: 1}, {0: 0, 300: 1}])
def test_a_number_without_a_meaning_is_refused(mapping):
    assert "n0: its mask holds a number" in complaint(renumbered, rows(HALF), mapping)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.uint16])
def test_a_mask_of_any_whole_type_is_kept(dtype):
    mask = (HALF > 0).astype(dtype)
    ds = dataset_of([(image_cell(torch.rand(3, 2, 2)), mask_cell(mask), "g", "n")])
    assert sample(ds, 0)[1].tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("mask", [HALF + 1, -HALF, HALF / 2, HALF[0], HALF[:0]])
def test_what_no_cell_can_hold_is_refused(mask):
    assert "mask" in complaint(mask_cell, mask)


def test_a_picture_of_two_channels_is_refused():
    assert "channels" in complaint(image_cell, torch.rand(2, 4, 4))


def test_columns_that_are_missing_or_unknown():
    row = path_cell("a.png"), mask_cell(HALF), "g", "n"
    assert "template" in complaint(dataset_of, [row], ["template"])
    assert "scores" in complaint(dataset_of, [(*row, 1)], ["scores"])
    assert len(dataset_of([], ["boxes"])) == 0
