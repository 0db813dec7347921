"""Colours of classes and splits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mlstac_hf._pictures._colours import COLOURS, SPARE, class_colours, ramped, split_colours


def test_colours_repeat_when_classes_are_many():
    assert len(class_colours({f"kind {value}": value for value in range(20)})) == 20
    assert len(split_colours([f"part {number}" for number in range(9)])) == 9


def test_names_have_their_colour_however_they_are_written():
    assert class_colours({"Water": 3, "x": 1}) == {"Water": COLOURS["water"], "x": SPARE[0]}


def test_numbers_from_dark_to_bright():
    light = ramped(np.linspace(0, 1, 9)).sum(axis=-1)
    assert np.all(np.diff(light) > 0)
    assert ramped(np.zeros((2, 3))).shape == (2, 3, 3)
    assert ramped(np.array(0.0)).tolist() == pytest.approx([68 / 255, 1 / 255, 84 / 255])


def test_colours_stay_apart_for_the_colour_blind():
    # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
    seen_by = {
        "all": np.eye(3),
        "protanopes": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopes": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "tritanopes": [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    }
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    for matrix in seen_by.values():
        points = []
        for colour in COLOURS.values():
            rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
            linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
            xyz = to_xyz @ np.clip(np.array(matrix) @ linear, 0, 1) / [0.9505, 1, 1.089]
            x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
            points.append(np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)]))
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2)) >= 20
