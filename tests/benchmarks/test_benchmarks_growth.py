import pytest
import torch
from growth import AROUND, PAPER, SMALL, VARIED, Point, amount, called, clustering, conclusion, draw, slope


def test_the_slope_is_the_power() -> None:
    assert slope([1, 2, 4], [3.0, 6.0, 12.0]) == pytest.approx(1)
    assert slope([10, 100], [1.0, 100.0]) == pytest.approx(2)


def test_the_upper_half_tells_how_it_goes_on() -> None:
    rows = [{"amount": n, "median": max(n, 8)} for n in (1, 2, 4, 8, 16, 32)]
    found = conclusion(rows)
    assert found["slope"] < 0.7 and found["slope_of_the_upper_half"] > found["slope"]


@pytest.mark.parametrize(
    ("late", "word"), [(1.0, "linear"), (1.09, "linear"), (0.8, "less than linear"), (1.2, "more than linear")]
)
def test_a_slope_in_words(late: float, word: str) -> None:
    assert called(late) == word


def test_a_side_stands_for_its_pixels() -> None:
    assert amount("side", 30) == 900 and amount("images", 4) == 4


def test_every_dimension_is_varied_around_its_own_centre() -> None:
    for arm, varied in VARIED.items():
        assert all(getattr(AROUND[arm], dimension) in values for dimension, values in varied.items())


def test_a_point_is_what_is_clustered() -> None:
    call = clustering(torch.rand(2, 8, 6, 6), Point(images=1, side=4, channels=5, clusters=2, iterations=3))
    (features, clusters), options = call.args, call.keywords
    assert features.shape == (1, 5, 4, 4) and clusters == 2 and options["iterations"] == 3
    assert options["init"].shape == (1, 2, 5) and call().shape == (1, 4, 4)


def test_the_picture_has_an_axis_a_dimension_with_its_slopes() -> None:
    rows = [
        {"arm": arm, "varied": "pixels" if d == "side" else d, "amount": n, "median": n, "min": n / 2, "max": 2 * n}
        for arm, varied in VARIED.items()
        for d in varied
        for n in (1, 2)
    ]
    slopes = {f"{row['varied']}, {row['arm']}": {"slope": 0.75} for row in rows}
    figure = draw(rows, slopes)
    assert [axes.get_xlabel() for axes in figure.axes] == ["images", "pixels", "channels", "clusters", "iterations"]
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == [f"{SMALL}: slope 0.75", f"{PAPER}: slope 0.75"]
