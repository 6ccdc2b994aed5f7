"""How far two clusterings of the same pixels agree, whatever their clusters are called."""

import numpy as np


def adjusted_rand_index(labels: np.ndarray, others: np.ndarray) -> float:
    """1 for the same partition, 0 on average for independent ones of the same sizes (Hubert and Arabie, 1985).

    Args:
        labels: (N,) integers from 0 on.
        others: (N,) likewise.
    """
    together = np.bincount(labels * (int(others.max()) + 1) + others)
    pairs, first, second = (_pairs(counts) for counts in (together, np.bincount(labels), np.bincount(others)))
    expected = first * second / _pairs(np.array([len(labels)]))
    highest = (first + second) / 2
    # Both in one cluster, or both in single pixels: the partitions are the same.
    return 1.0 if highest == expected else float((pairs - expected) / (highest - expected))


def _pairs(counts: np.ndarray) -> float:
    """Pairs of pixels within cells of these sizes."""
    return float((counts * (counts - 1) / 2).sum())
