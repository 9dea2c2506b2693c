"""The map's colours are told apart by every kind of colour vision, in both themes."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import lakehouse.serving

Floats = npt.NDArray[np.float64]
CSS = (Path(lakehouse.serving.__file__).parent / "static" / "map.css").read_text()

# Source: Machado, Oliveira, Fernandes 2009, table 1, severity 1.0; on linear RGB.
VISION = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
JUST_DIFFERENT = 2.3
"""CIELAB distance of a just noticeable difference."""

PLAINLY_DIFFERENT = 5 * JUST_DIFFERENT


def palettes() -> dict[str, list[str]]:
    light, dark = re.findall(r"--level-0.*?--level-4: #[0-9a-f]{6}", CSS, re.DOTALL)
    found = {"light": light, "dark": dark}
    return {theme: re.findall(r"#[0-9a-f]{6}", text) for theme, text in found.items()}


def lab(colour: str, vision: str) -> Floats:
    """CIELAB of what an eye sees of a colour."""
    coded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    ratio = TO_XYZ @ seen / (TO_XYZ @ np.ones(3))
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_neighbouring_levels_are_plainly_different(theme: str, vision: str) -> None:
    seen = [lab(colour, vision) for colour in palettes()[theme]]
    assert len(seen) == 5
    distances = [float(np.linalg.norm(a - b)) for a, b in pairwise(seen)]
    assert min(distances) > PLAINLY_DIFFERENT, distances
    assert float(np.linalg.norm(seen[0] - seen[-1])) > 2 * PLAINLY_DIFFERENT
