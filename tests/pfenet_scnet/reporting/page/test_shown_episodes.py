import torch
from data.episodes import Episode
from evaluation.metrics import Evaluation, FoldScores, ScoredEpisode, foreground_iou
from reporting.page.shown_episodes import choose, rule


def evaluation(*ious):
    """Episodes 0, 1, 2, … of 100 pixels, with an IoU in percent each; None: nothing there and nothing found."""
    rows = [
        ScoredEpisode(Episode(1, place, (99,)), torch.tensor([[100 - (iou or 0), 0], [0, 0]]))
        if iou is None
        else ScoredEpisode(Episode(1, place, (99,)), torch.tensor([[0, 0], [100 - iou, iou]]))
        for place, iou in enumerate(ious)
    ]
    return Evaluation(FoldScores(0, 0, {}), 0, 0, len(rows), "", tuple(rows))


def queries(found):
    return {title: [episode.query for episode in episodes] for title, episodes in found.items()}


def test_iou_counts_all_pixels_of_an_episode():
    assert foreground_iou(torch.tensor([[5, 1], [2, 3]])) == 50
    assert foreground_iou(evaluation(None).by_episode[0].pixels) is None


def test_ends_and_middle_of_the_ranks_the_earlier_first():
    found = queries(choose([evaluation(50, 90, 10, None, 50, 90, 40, 0, 0)], 2))
    # In order: 90 90 50 50 40 10 0 0.
    assert found == {"Best": [1, 5], "Median": [4, 6], "Worst": [7, 8]}


def test_runs_are_ranked_by_their_mean_and_the_widest_span_is_shown_once():
    found = queries(choose([evaluation(80, 50, 20, 95, 10, 60), evaluation(80, 50, 20, 35, 10, 10)], 1))
    assert found == {"Best": [0], "Median": [1], "Worst": [4], "Where the runs differ most": [3]}


def test_an_evaluation_of_few_episodes_shows_each_once():
    assert queries(choose([evaluation(80, 50)], 2)) == {"Best": [0], "Worst": [1]}
    assert queries(choose([evaluation(80)], 2)) == {"Best": [0]}
    assert choose([evaluation(None)], 2) == {}


def test_a_query_is_shown_once():
    one = evaluation(90, 80, 70, 60, 50, 40)
    rows = [row._replace(episode=row.episode._replace(query=max(row.episode.query, 1))) for row in one.by_episode]
    found = queries(choose([one._replace(by_episode=tuple(rows))], 2))
    # Episodes 0 and 1 have one query; what the worst take is no median.
    assert found == {"Best": [1, 2], "Median": [3], "Worst": [5, 4]}


def test_the_rule_names_what_ranks():
    assert "ranked by the run's IoU" in rule(1) and "differ" not in rule(1)
    assert "ranked by the mean of the runs' IoU" in rule(2) and "largest span" in rule(2)
