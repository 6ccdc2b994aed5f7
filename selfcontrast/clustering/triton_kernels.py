"""The clustering in kernels of Triton: each reads the map once, in tiles, and none copies it.

Axes: B images, C channels, N pixels, K clusters. A map lies in memory as (B, C, N), or as (B, N, C) where `LAST`.
Every program works for one image, no float is added atomically, and a tile's size follows from an image's shape: so an
image's labels depend on nothing else, to the last bit. Of `weights`, (B, N), 1/‖x‖ is that of a pixel that counts, 0 of
one that does not, −1 of one that is not finite. Of `counters`, (B, T + 2, K + 1), row t + 1 says of assignment t how
many pixels that count each cluster got, and how many of them changed their cluster; row 0 is zero. `length` is that of
an image's counters, `tiles` the number of programs an image.

Names in capitals are known when a kernel is compiled: KP is the power of two that holds K, BC x BN is the tile.
`no_type_check` keeps checkers from wrapping what Triton compiles from its source.
"""

# pyright: basic, reportMissingImports=false
# fmt: off
from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def _load(x, c, n, channels, pixels, LAST: tl.constexpr):
    """Some values of one image, widened; the shapes of the indices c and n span the tile."""
    offsets = n * channels + c if LAST else c * pixels + n
    return tl.load(x + offsets, mask=(c < channels) & (n < pixels), other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=["tiles", "length"])
@no_type_check
def weigh(
    x, valid, weights, labels, counters, channels, pixels, tiles, length,
    VALID: tl.constexpr, LAST: tl.constexpr, BC: tl.constexpr, BN: tl.constexpr, STAGES: tl.constexpr,
):
    """Weigh a tile of pixels, put them into no cluster, and set the image's counters to zero."""
    image, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    x += image * channels * pixels
    n = tile * BN + tl.arange(0, BN)
    squares = tl.zeros([BC, BN], tl.float32)
    for start in tl.range(0, channels, BC, num_stages=STAGES):
        c = start + tl.arange(0, BC)
        values = _load(x, c[:, None], n[None, :], channels, pixels, LAST)
        squares += values * values
    norm = tl.sqrt(tl.sum(squares, 0))
    counts = norm > 0
    if VALID:
        counts = counts & (tl.load(valid + image * pixels + n, mask=n < pixels, other=0) != 0)
    weight = tl.where(counts, 1.0 / tl.maximum(norm, 1.1754943508222875e-38), 0.0)
    # NaN is not below infinity either.
    weight = tl.where(norm < float("inf"), weight, -1.0)
    tl.store(weights + image * pixels + n, weight, mask=n < pixels)
    tl.store(labels + image * pixels + n, tl.full([BN], -1, tl.int32), mask=n < pixels)
    if tile == 0:
        for start in range(0, length, BN):
            i = start + tl.arange(0, BN)
            tl.store(counters + image * length + i, tl.zeros([BN], tl.int32), mask=i < length)


@triton.jit
@no_type_check
def _drawn(weights, uniform, pixels, CHUNK: tl.constexpr):
    """The pixel that a uniform number draws of those that count, and whether there is one."""
    total = 0
    for start in range(0, pixels, CHUNK):
        n = start + tl.arange(0, CHUNK)
        total += tl.sum((tl.load(weights + n, mask=n < pixels, other=0.0) > 0).to(tl.int32), 0)
    # Rounding may lift uniform * total up to total itself.
    wanted = tl.minimum((uniform * total).to(tl.int32), total - 1)
    seen = 0
    index = 0
    for start in range(0, pixels, CHUNK):
        n = start + tl.arange(0, CHUNK)
        counts = (tl.load(weights + n, mask=n < pixels, other=0.0) > 0).to(tl.int32)
        place = seen + tl.cumsum(counts, 0) - 1
        index += tl.sum(tl.where((counts > 0) & (place == wanted), n, 0), 0)
        seen += tl.sum(counts, 0)
    return index, total > 0


@triton.jit
@no_type_check
def _farthest(nearest, pixels, CHUNK: tl.constexpr):
    """The first pixel that is least like all seeds so far, and whether there is one."""
    least = float("inf")
    index = 0
    for start in range(0, pixels, CHUNK):
        n = start + tl.arange(0, CHUNK)
        cosine = tl.load(nearest + n, mask=n < pixels, other=float("inf"))
        here = tl.min(cosine, 0)
        place = tl.min(tl.where(cosine == here, n, start + CHUNK), 0)
        index = tl.where(here < least, place, index)
        least = tl.minimum(here, least)
    return index, least < float("inf")


@triton.jit(do_not_specialize=["tiles", "step"])
@no_type_check
def seed(
    x, weights, uniforms, before, after, sums, channels, pixels, tiles, step,
    FIRST: tl.constexpr, FINAL: tl.constexpr, LAST: tl.constexpr, K: tl.constexpr,
    BC: tl.constexpr, BN: tl.constexpr, CHUNK: tl.constexpr, STAGES: tl.constexpr,
):
    """Pick a seed, the same in every program of an image, and say how near each pixel is to its nearest seed.

    The `FINAL` one only has to be written down, by one program for each BC channels.
    """
    image, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    x += image * channels * pixels
    weights += image * pixels
    before += image * pixels
    sums += (image * K + step) * channels
    if FIRST:
        index, found = _drawn(weights, tl.load(uniforms + image * K).to(tl.float32), pixels, CHUNK)
    else:
        index, found = _farthest(before, pixels, CHUNK)
    scale = tl.load(weights + index)
    if FINAL:
        c = tile * BC + tl.arange(0, BC)
        centre = tl.where(found, _load(x, c, index, channels, pixels, LAST) * scale, 0.0)
        tl.store(sums + c, centre, mask=c < channels)
    else:
        n = tile * BN + tl.arange(0, BN)
        products = tl.zeros([BC, BN], tl.float32)
        for start in tl.range(0, channels, BC, num_stages=STAGES):
            c = start + tl.arange(0, BC)
            centre = tl.where(found, _load(x, c, index, channels, pixels, LAST) * scale, 0.0)
            products += _load(x, c[:, None], n[None, :], channels, pixels, LAST) * centre[:, None]
            tl.store(sums + c, centre, mask=(c < channels) & (tile == 0))
        weight = tl.load(weights + n, mask=n < pixels, other=0.0)
        cosine = tl.sum(products, 0) * weight
        if not FIRST:
            cosine = tl.maximum(cosine, tl.load(before + n, mask=n < pixels, other=0.0))
        left = (weight > 0) & (n != index)
        tl.store(after + image * pixels + n, tl.where(left, cosine, float("inf")), mask=n < pixels)


@triton.jit(do_not_specialize=["tiles", "length", "step"])
@no_type_check
def assign(
    x, weights, sums, labels, served, counters, out, channels, pixels, tiles, length, step,
    LAST: tl.constexpr, K: tl.constexpr, KP: tl.constexpr, BC: tl.constexpr, BN: tl.constexpr, STAGES: tl.constexpr,
):
    """Label a tile of pixels with the nearest centres, which `sums` are but for their lengths."""
    image, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    k = tl.arange(0, KP)
    row = counters + image * length + (step + 1) * (K + 1)
    members = tl.load(row - (K + 1) + k, mask=k < K, other=1)
    # Where no pixel changed its cluster, no centre moved, and no pixel will change again.
    if (tl.load(row - 1) == 0) & (tl.min(members, 0) > 0):
        if tile == 0:
            tl.store(row + k, members, mask=k < K)
        return
    x += image * channels * pixels
    sums += image * K * channels
    n = tile * BN + tl.arange(0, BN)
    products = tl.zeros([KP, BC, BN], tl.float32)
    squares = tl.zeros([KP, BC], tl.float32)
    for start in tl.range(0, channels, BC, num_stages=STAGES):
        c = start + tl.arange(0, BC)
        values = _load(x, c[None, :, None], n[None, None, :], channels, pixels, LAST)
        inside = (k < K)[:, None] & (c < channels)[None, :]
        centres = tl.load(sums + k[:, None] * channels + c[None, :], mask=inside, other=0.0)
        products += values * centres[:, :, None]
        squares += centres * centres
    square = tl.sum(squares, 1)
    cosines = tl.sum(products, 1) / tl.sqrt(tl.where(square > 0, square, 1.0))[:, None]
    where = image * pixels + n
    weight = tl.load(weights + where, mask=n < pixels, other=0.0)
    # What is not finite is as near to every centre as zero is.
    cosines = tl.where((weight < 0)[None, :], 0.0, cosines)
    # A zero centre stands for no direction, so nothing is near it.
    cosines = tl.where((square > 0)[:, None], cosines, float("-inf"))
    best = tl.max(cosines, 0)
    label = tl.min(tl.where(cosines == best[None, :], k[:, None], K - 1), 0)
    usable = weight > 0
    changed = usable & (label != tl.load(labels + where, mask=n < pixels, other=0))
    tl.store(labels + where, label, mask=n < pixels)
    tl.store(out + where, label.to(tl.int64), mask=n < pixels)
    tl.store(served + where, best * weight, mask=n < pixels)
    got = tl.sum(((label[None, :] == k[:, None]) & usable[None, :]).to(tl.int32), 1)
    tl.atomic_add(row + k, got, mask=(k < K) & (got > 0), sem="relaxed")
    tl.atomic_add(row + K, tl.sum(changed.to(tl.int32), 0), sem="relaxed")


@triton.jit(do_not_specialize=["length", "step"])
@no_type_check
def rescue(
    weights, labels, served, counters, out, pixels, length, step,
    K: tl.constexpr, KP: tl.constexpr, BLOCK: tl.constexpr,
):
    """Hand an image's worst-served pixels to its empty clusters, never another cluster's best-served one."""
    image = tl.program_id(0).to(tl.int64)
    row = counters + image * length + (step + 1) * (K + 1)
    k = tl.arange(0, KP)
    if tl.min(tl.load(row + k, mask=k < K, other=1), 0) > 0:
        return
    n = tl.arange(0, BLOCK)
    where = image * pixels + n
    usable = tl.load(weights + where, mask=n < pixels, other=0.0) > 0
    cosines = tl.load(served + where, mask=n < pixels, other=0.0)
    label = tl.load(labels + where, mask=n < pixels, other=-1)
    free = tl.where(usable, cosines, float("inf"))
    for cluster in range(K):
        inside = usable & (label == cluster)
        best = tl.max(tl.where(inside, cosines, float("-inf")), 0)
        kept = tl.min(tl.where(inside & (cosines == best), n, BLOCK), 0)
        free = tl.where(n == kept, float("inf"), free)
    for cluster in range(K):
        if tl.load(row + cluster) == 0:
            worst = tl.min(free, 0)
            taken = tl.min(tl.where(free == worst, n, BLOCK), 0)
            takes = (n == taken) & (free < float("inf"))
            tl.store(labels + where, cluster, mask=takes)
            tl.store(out + where, cluster, mask=takes)
            free = tl.where(n == taken, float("inf"), free)


@triton.jit(do_not_specialize=["tiles", "length", "step"])
@no_type_check
def move(
    x, weights, labels, sums, counters, channels, pixels, tiles, length, step,
    LAST: tl.constexpr, K: tl.constexpr, KP: tl.constexpr, BC: tl.constexpr, BN: tl.constexpr, STAGES: tl.constexpr,
):
    """Sum up the directions of each cluster's pixels, for a block of channels."""
    # From the last image to the first: what was read last may still lie in the cache.
    program = tl.num_programs(0) - 1 - tl.program_id(0)
    image, tile = (program // tiles).to(tl.int64), program % tiles
    k = tl.arange(0, KP)
    row = counters + image * length + (step + 1) * (K + 1)
    if (tl.load(row + K) == 0) & (tl.min(tl.load(row + k, mask=k < K, other=1), 0) > 0):
        return
    x += image * channels * pixels
    weights += image * pixels
    labels += image * pixels
    sums += image * K * channels
    c = tile * BC + tl.arange(0, BC)
    products = tl.zeros([KP, BC, BN], tl.float32)
    for start in tl.range(0, pixels, BN, num_stages=STAGES):
        n = start + tl.arange(0, BN)
        values = _load(x, c[None, :, None], n[None, None, :], channels, pixels, LAST)
        weight = tl.load(weights + n, mask=n < pixels, other=0.0)
        label = tl.load(labels + n, mask=n < pixels, other=-1)
        share = tl.where((label[None, :] == k[:, None]) & (weight > 0)[None, :], weight[None, :], 0.0)
        # NaN times zero would be NaN.
        values = tl.where((weight > 0)[None, None, :], values, 0.0)
        products += values * share[:, None, :]
    inside = (k < K)[:, None] & (c < channels)[None, :]
    tl.store(sums + k[:, None] * channels + c[None, :], tl.sum(products, 2), mask=inside)
