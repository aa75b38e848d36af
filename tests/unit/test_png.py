"""Pixels as PNG, as another library reads them."""

import io

import numpy as np
import pytest
from PIL import Image

from forestry.figures.png import png_of


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 3, 3), (40, 7, 3), (300, 500, 3)])
def test_pixels_come_back(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(png_of(pixels, 300))) as image:
        image.verify()  # the checks of all chunks
    with Image.open(io.BytesIO(png_of(pixels, 300))) as image:
        assert (image.mode, image.size) == ("RGB", (shape[1], shape[0]))
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.0254 / 2)  # whole dots a metre
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3))]
)
def test_other_pixels_are_refused(pixels):
    with pytest.raises(ValueError, match="pixels of shape"):
        png_of(pixels, 300)
