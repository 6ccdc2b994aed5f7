import pytest
from training.sharded_batches import ShardedBatch, ShardedSampler


@pytest.mark.parametrize(("processes", "micro_batch"), [(1, 8), (1, 2), (2, 4), (4, 1)])
def test_processes_share_every_batch_without_gap_or_overlap(processes, micro_batch):
    shares = [
        list(ShardedSampler(ShardedBatch(8, micro_batch, processes, rank), range(3, 6))) for rank in range(processes)
    ]
    assert len({len(share) for share in shares}) == 1 and len(shares[0]) == 24 // processes
    part = 8 // processes
    for step in range(3):
        batch = [place for share in shares for place in share[step * part : (step + 1) * part]]
        assert batch == list(range(8 * (3 + step), 8 * (4 + step)))


def test_a_share_knows_its_length():
    assert len(ShardedSampler(ShardedBatch(8, 2, 2, 1), range(3, 6))) == 12


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_a_pass_has_the_same_place_whoever_runs_it(processes):
    shards = [ShardedBatch(8, 2, processes, rank) for rank in range(processes)]
    passes = [d.first_pass(5) + i for d in shards for i in range(d.part // d.micro_batch)]
    assert passes == [20, 21, 22, 23]


@pytest.mark.parametrize("arguments", [(6, 4), (8, 4, 4), (8, 3, 2), (0, 1), (8, 0)])
def test_refuses_what_does_not_come_out_even(arguments):
    with pytest.raises(ValueError, match="batch: expected a multiple of processes x micro_batch"):
        ShardedBatch(*arguments)
