import pytest
from page_runs import OVER_OFFSETS, result, run
from reporting.page.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    charts,
    nice_ticks,
    offset_charts,
)


def rows(count, **columns):
    return [{"step": step} | {name: make(step) for name, make in columns.items()} for step in range(count)]


def points(line):
    return [tuple(map(float, pair.split(","))) for pair in line.points.split()]


def test_a_baseline_has_no_second_loss_and_only_selected_runs_have_candidates():
    baseline = run("a", losses=rows(3, main_loss=lambda s: 1.0 - s / 4, contrast_loss=lambda s: None))
    scnet = run("b", losses=rows(3, main_loss=lambda s: 1.0, contrast_loss=lambda s: 0.5))
    first, second = charts([baseline, scnet])
    assert [line.place for line in first.lines] == [0, 1] and [line.place for line in second.lines] == [1]
    assert first.description == (
        "L1, support to query over the training steps: a from 1.00 to 0.50; b from 1.00 to 1.00."
    )
    selected = run("c", candidates=[{"step": 20, "miou": 31.0}, {"step": 40, "miou": 35.0}], select="base")
    (third,) = charts([selected])
    assert third.note == "On base classes of held-out images. The weights with the highest are kept."


def test_points_lie_where_the_ticks_say():
    (chart,) = charts([run("a", losses=[{"step": 0, "main_loss": 1.0}, {"step": 40, "main_loss": 0.0}])])
    assert points(chart.lines[0]) == [(LEFT, TOP), (WIDTH - RIGHT, HEIGHT - BOTTOM)]
    assert [tick.text for tick in chart.across] == ["0", "10", "20", "30", "40"]
    assert (chart.up[0].at, chart.up[-1].at) == (HEIGHT - BOTTOM, TOP)


def test_long_logs_become_means_of_neighbours():
    (chart,) = charts([run("a", losses=rows(10 * MOST_POINTS, main_loss=lambda s: s % 10))])
    found = points(chart.lines[0])
    assert len(found) == MOST_POINTS and len({y for _, y in found}) == 1


def test_a_single_point_is_a_dot_and_an_empty_log_no_chart():
    (chart,) = charts([run("a", losses=rows(1, main_loss=lambda s: 2.0))])
    assert chart.lines[0].single and charts([run("a")]) == []


@pytest.mark.parametrize(
    ("low", "high"), [(0, 59), (0, 0), (3, 3), (0.01, 0.011), (12, 95_000), (0.2, 1.7), (-3, 3), (-2, -2)]
)
def test_ticks_enclose_the_values_and_are_few(low, high):
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low and high <= ticks[-1] and 3 <= len(ticks) <= 8 and (ticks[0] >= 0 or low < 0)
    assert ticks == sorted(set(ticks))


def test_curves_over_thresholds_are_those_of_the_result():
    blind = result(over_offsets=OVER_OFFSETS | {"support_reliance": None})
    runs = [run("a", result()), run("old", {"miou": 1.0}), run("b", blind), run("unfinished")]
    miou, reliance = offset_charts(runs)
    assert [line.place for line in miou.lines] == [0, 2] and [line.place for line in reliance.lines] == [0]
    assert miou.description == "mIoU over thresholds: a highest at −1 with 44.00; b highest at −1 with 44.00."
    assert miou.axis == "offset of the threshold" and charts(runs) == []
    assert points(miou.lines[0])[0][0] == LEFT and points(miou.lines[0])[-1][0] == WIDTH - RIGHT
    assert reliance.up[0].text == "−1"
    assert offset_charts([runs[1], runs[3]]) == []
