from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn_exporters.targets.tflite.views import View

SHAPES = st.lists(st.sampled_from([1, 1, 2, 3, 4, 6]), min_size=1, max_size=5).map(tuple)


def in_memory(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """The array's elements as they lie when its axes lie in this order."""
    return array.transpose(order).reshape(-1)


def seen(view: View, memory: np.ndarray) -> np.ndarray:
    """The value that a view sees in memory, by the definition of its attributes alone."""
    parts = memory.reshape([view.sizes[part] for part in view.memory])
    wanted = [part for axis in view.axes for part in axis]
    return parts.transpose([view.memory.index(part) for part in wanted]).reshape(view.shape)


@st.composite
def shapes_of(draw: st.DrawFn, size: int) -> tuple[int, ...]:
    """A shape of so many elements, with axes of 1 anywhere."""
    shape: list[int] = []
    while size > 1:
        factor = draw(st.sampled_from([n for n in range(2, size + 1) if size % n == 0]))
        shape.append(factor)
        size //= factor
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    return tuple(shape or [1])


@given(st.data())
def test_transposes_and_reshapes_of_a_view_are_those_of_numpy(data: st.DataObject) -> None:
    """Whatever chain of them: a view either says where each element lies, or that none can."""
    shape = data.draw(SHAPES)
    array = np.arange(prod(shape))
    array = array.reshape(shape)
    order = data.draw(st.permutations(range(len(shape))))
    memory = in_memory(array, order)
    view = View.of(shape, order)
    for _ in range(data.draw(st.integers(0, 5))):
        if data.draw(st.booleans()):
            turn = data.draw(st.permutations(range(array.ndim)))
            array, view = array.transpose(turn), view.transposed(turn)
        else:
            wanted = data.draw(shapes_of(array.size))
            reshaped = view.reshaped(wanted)
            if reshaped is None:
                continue
            array, view = array.reshape(wanted), reshaped
        assert view.shape == array.shape
        np.testing.assert_array_equal(seen(view, memory), array)
    found = view.order()
    if found is not None:
        assert view.lies_in(found)
        np.testing.assert_array_equal(in_memory(array, found), memory)
    last = data.draw(st.permutations(range(array.ndim)))
    blocks, permutation = view.permutation(last)
    moved = memory.reshape(blocks).transpose(permutation).reshape(-1)
    np.testing.assert_array_equal(moved, in_memory(array, last))


@given(SHAPES, st.data())
def test_a_value_in_its_own_order_takes_any_shape(
    shape: tuple[int, ...], data: st.DataObject
) -> None:
    wanted = data.draw(shapes_of(prod(shape)))
    view = View.of(shape).reshaped(wanted)
    # None only where an axis would have to be cut in parts that do not divide it.
    if view is not None:
        assert view.shape == wanted
        assert view.lies_in(range(len(wanted)))


NHWC = (0, 2, 3, 1)


def test_an_image_channels_last_lies_so() -> None:
    view = View.of((1, 3, 4, 5), NHWC)
    assert view.lies_in(NHWC)
    assert not view.lies_in((0, 1, 2, 3))
    assert view.order() == NHWC


def test_of_orders_that_say_the_same_channels_last_is_taken() -> None:
    assert View.of((2, 7, 1, 1)).order() == NHWC


def test_flattening_rows_and_columns_leaves_channels_where_they_are() -> None:
    view = View.of((1, 3, 4, 5), NHWC).reshaped((1, 3, 20))
    assert view is not None
    assert view.order() in {(0, 2, 1), (2, 0, 1), (2, 1, 0)}
    assert view.permutation((0, 1, 2)) == ((20, 3), (1, 0))


def test_a_flattened_image_is_one_axis_of_scattered_parts() -> None:
    view = View.of((2, 3, 4, 5), NHWC).reshaped((2, 60))
    assert view is not None
    assert view.order() is None
    assert view.shape == (2, 60)


def test_a_shape_that_cuts_across_the_axes_moves_data() -> None:
    assert View.of((1, 3, 4, 5), NHWC).reshaped((1, 4, 15)) is None
    assert View.of((1, 6, 4), (0, 2, 1)).reshaped((1, 4, 6)) is None


def test_the_way_there_and_back_moves_nothing() -> None:
    view = View.of((1, 3, 4, 5), NHWC).transposed(NHWC).transposed((0, 3, 1, 2))
    assert view == View.of((1, 3, 4, 5), NHWC)


@pytest.mark.parametrize("size", [0, 1])
def test_an_axis_of_one_has_no_parts(size: int) -> None:
    assert View.of((1,) * size).memory == ()
    assert View.of((1,) * size).reshaped((1, 1)) == View.of((1, 1))
