"""Numbers of docs/backpropagation.md: by its formulas, by its code, and by PyTorch's autograd."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

PAGE = (Path(__file__).parents[4] / "docs/backpropagation.md").read_text(encoding="utf-8")
NUMBERS = r"(-?\d+(?:\.\d+)?(?: +-?\d+(?:\.\d+)?)*)"
Matrix = np.ndarray[Any, np.dtype[np.float64]]


@cache
def printed() -> dict[str, Matrix]:
    """The matrices in the page's text blocks, by what stands before the equals sign."""
    rows: dict[str, list[list[float]]] = {}
    name = ""
    for block in re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S):
        for line in filter(None, block.splitlines()):
            match = re.fullmatch(rf"(?:(\S.*?) += +| +){NUMBERS}", line)
            assert match is not None, f"{line!r} is no row of a matrix"
            if match[1] is not None:
                name = match[1]
                assert name not in rows
            rows.setdefault(name, []).append([float(number) for number in match[2].split()])
    return {name: np.array(matrix) for name, matrix in rows.items()}


def autograd() -> dict[str, Matrix]:
    """The example's tensors as PyTorch makes them."""
    known = printed()
    values = {
        name: torch.from_numpy(known[name])[None, None].requires_grad_() for name in ("X", "F")
    }
    bias = torch.from_numpy(known["b"][0]).requires_grad_()
    output = conv2d(values["X"], values["F"], bias)
    output.backward(torch.from_numpy(known["dL/dY"])[None, None])
    gradients = {f"dL/d{name}": tensor.grad for name, tensor in values.items()}
    made = {name: tensor[0, 0] for name, tensor in gradients.items() if tensor is not None}
    assert bias.grad is not None
    made |= {"Y": output.detach()[0, 0], "dL/db": bias.grad[None]}
    return {name: tensor.numpy() for name, tensor in made.items()}


def formulas() -> dict[str, Matrix]:
    """The same by the sums over indices that the page gives."""
    known = printed()
    x, kernel, of_y = known["X"], known["F"], known["dL/dY"]
    made = {
        "Y": np.full((2, 2), known["b"][0, 0]),
        "dL/dX": np.zeros((3, 3)),
        "dL/dF": np.zeros((2, 2)),
        "dL/db": np.array([[sum(of_y.ravel())]]),
    }
    for i, j in np.ndindex(2, 2):
        for u, v in np.ndindex(2, 2):
            made["Y"][i, j] += x[i + u, j + v] * kernel[u, v]
            made["dL/dF"][u, v] += x[i + u, j + v] * of_y[i, j]
    for i, j in np.ndindex(3, 3):
        for u, v in np.ndindex(2, 2):
            if 0 <= i - u < 2 and 0 <= j - v < 2:
                made["dL/dX"][i, j] += kernel[u, v] * of_y[i - u, j - v]
    return made


def test_the_worked_example_is_right_by_its_formulas_and_by_autograd() -> None:
    made, reference = formulas(), autograd()
    for name in ("Y", "dL/dX", "dL/dF", "dL/db"):
        np.testing.assert_array_equal(made[name], printed()[name], name)
        np.testing.assert_array_equal(reference[name], printed()[name], name)


def test_the_rotated_kernel_over_the_padded_gradient_is_the_gradient_of_the_input() -> None:
    known = printed()
    np.testing.assert_array_equal(known["rot180(F)"], known["F"][::-1, ::-1])
    np.testing.assert_array_equal(known["pad(dL/dY)"], np.pad(known["dL/dY"], 1))
    rotated = torch.from_numpy(known["rot180(F)"])[None, None]
    for name, padded in (
        ("dL/dX", known["pad(dL/dY)"]),
        ("padded by 0: dL/dX", known["dL/dY"]),
    ):
        made = conv2d(torch.from_numpy(padded)[None, None], rotated)
        np.testing.assert_array_equal(made[0, 0].numpy(), known[name])


def test_the_sums_in_the_text_are_right() -> None:
    sums = re.findall(r"`([-−()\d·+ ]+) = (\d+)`", PAGE)
    assert len(sums) == 4
    for terms, result in sums:
        numbers = terms.replace("−", "-").replace("(", "").replace(")", "")
        products = (np.prod([int(n) for n in term.split("·")]) for term in numbers.split("+"))
        assert sum(products) == int(result), terms


def test_the_code_makes_the_numbers_of_the_page() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    made: dict[str, Any] = {}
    exec(code, made)
    for variable, name in {
        "x": "X",
        "kernel": "F",
        "of_y": "dL/dY",
        "y": "Y",
        "of_x": "dL/dX",
        "of_kernel": "dL/dF",
        "of_bias": "dL/db",
    }.items():
        np.testing.assert_array_equal(np.atleast_2d(made[variable]), printed()[name], name)


def test_the_table_of_paddings_is_what_autograd_needs() -> None:
    rows = re.findall(r"^\| (\d) \| (\d) \| (\d) \| (\d) \| (\d) \| (\d) \|$", PAGE, re.M)
    assert len(rows) == 5
    for k, p, outputs, q, with_q, with_half in (map(int, row) for row in rows):
        torch.manual_seed(0)
        kernel = torch.randn(1, 1, k, k, dtype=torch.float64)
        x = torch.randn(1, 1, 5, 5, dtype=torch.float64, requires_grad=True)
        output = conv2d(x, kernel, padding=p)
        of_y = torch.randn_like(output)
        output.backward(of_y)
        assert x.grad is not None
        made = conv2d(of_y, kernel.flip(2, 3), padding=q)
        torch.testing.assert_close(made, x.grad)
        half = conv2d(of_y, kernel.flip(2, 3), padding=(k - 1) // 2)
        assert (output.shape[2], made.shape[2], half.shape[2]) == (outputs, with_q, with_half)


@pytest.mark.parametrize(("name", "pool"), [("max", max_pool2d), ("average", avg_pool2d)])
def test_the_pooled_windows_are_those_of_autograd(name: str, pool: Any) -> None:
    known = printed()
    x = torch.from_numpy(known["pooled X"])[None, None].requires_grad_()
    pool(x, 2).backward(torch.from_numpy(known["dL/dY of pooling"])[None, None])
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad[0, 0].numpy(), known[f"dL/dX of {name}"])


def test_a_relu_sends_nothing_back_at_0() -> None:
    x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    relu(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 1]
    assert "makes it 0 elsewhere, at 0 too" in PAGE


def test_every_picture_is_of_a_command_on_the_page() -> None:
    pictures = re.findall(r"\]\(images/(\w+\.png)\)", PAGE)
    drawn = re.findall(r"^edgecnn zoo \w+ --gradient \S+ --plot (\S+)$", PAGE, re.M)
    assert pictures == drawn
    assert len(pictures) == 4
