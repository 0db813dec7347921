"""Maps: where dots and outlines fall."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")
shapely = pytest.importorskip("shapely")

from matplotlib.image import imread  # noqa: E402

from mlstac_hf._pictures import _map, draw_map  # noqa: E402
from mlstac_hf._pictures._colours import rgb, split_colours  # noqa: E402
from mlstac_hf._pictures._land import outlines  # noqa: E402


def column(shapes):
    return np.array([*shapes, None], dtype=object)[:-1]


def drawn(tmp_path, **places):
    path = tmp_path / "map.png"
    draw_map({name: column(shapes) for name, shapes in places.items()}, path)
    assert path.stat().st_size < 1_000_000
    return np.rint(imread(path)[..., :3] * 255).astype(int)


def where(page, colour, tolerance=6):
    """Rows and columns of a colour in the map itself, without the world and the legend."""
    main = page[:, : page.shape[1] - _map._SIDE - 2 * _map._MARGIN]
    return np.argwhere(np.abs(main - rgb(colour)).max(axis=-1) <= tolerance)


@pytest.mark.parametrize("degrees", [0.01, 0.5, 8, 80])
def test_dots_lie_as_their_places_do(tmp_path, degrees):
    corners = [shapely.Point(10 + x * degrees, 5 + y * degrees / 2) for x in (-1, 1) for y in (-1, 1)]
    page = drawn(tmp_path, train=corners[:3], test=corners[3:])
    colours = split_colours(["train", "test"])
    train, test = where(page, colours["train"]), where(page, colours["test"])
    assert len(train) > len(test) > 8
    assert test[:, 0].mean() < train[:, 0].mean()  # north is up
    assert test[:, 1].mean() > train[:, 1].mean()  # east is right


def test_outlines_that_can_be_seen(tmp_path):
    page = drawn(tmp_path, train=[shapely.box(10, 45, 10.1, 45.1), None, shapely.box(10.2, 45, 10.3, 45.1)])
    border = where(page, split_colours(["train"])["train"], 40)
    assert np.ptp(border[:, 1]) > 400
    inside = (border[:, 1].min() + border[:, 1].max()) // 2  # between the two
    assert not (np.abs(border[:, 1] - inside) < 20).any()


def test_on_both_sides_of_the_antimeridian(tmp_path):
    page = drawn(tmp_path, train=[shapely.Point(179.5, -17), shapely.Point(-179.5, -17)])
    found = where(page, split_colours(["train"])["train"])
    assert 300 < np.ptp(found[:, 1]) < 900  # near each other, on a map of some degrees
    across = shapely.union(shapely.box(179, -18, 180, -17), shapely.box(-180, -18, -179, -17))
    assert len(where(drawn(tmp_path, train=[across, shapely.Point(179.2, -16)]), split_colours(["train"])["train"]))


def test_one_place(tmp_path):
    page = drawn(tmp_path, train=[shapely.Point(0, 0)], test=[])
    assert len(where(page, split_colours(["train"])["train"])) > 8


def test_all_over_the_world_shows_land(tmp_path):
    page = drawn(tmp_path, train=[shapely.Point(x, y) for x in range(-170, 180, 20) for y in range(-80, 81, 20)])
    assert len(where(page, "#e9ebef", 1)) > 20_000


def test_nowhere(tmp_path):
    with pytest.raises(ValueError, match="found none"):
        draw_map({"train": column([None])}, tmp_path / "map.png")


@pytest.mark.parametrize(
    ("longitude", "latitude", "land"),
    [
        (2.3, 48.9, True),
        (-99.1, 19.4, True),
        (-47.9, -15.8, True),
        (36.8, -1.3, True),
        (77.2, 28.6, True),
        (133.9, -23.7, True),
        (-42.6, 72, True),
        (104, 60, True),
        (-100, 55, True),
        (139.5, 36.2, True),
        (47, -19, True),
        (0, -80, True),
        (-1.5, 52.5, True),
        (-30, 40, False),
        (-140, 0, False),
        (80, -20, False),
        (-150, -40, False),
        (18, 35, False),
        (-90, 25, False),
        (3, 57, False),
        (-85, 60, False),
        (150, 50, False),
        (90, 12, False),
        (-20, -20, False),
        (0, 80, False),
        (150, 20, False),
    ],
)  # fmt: skip
def test_land_is_where_it_is(longitude, latitude, land):
    found = any(shapely.Polygon(outline).contains(shapely.Point(longitude, latitude)) for outline in outlines())
    assert found == land
