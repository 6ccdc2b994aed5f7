#!/usr/bin/env bash
# What a short schedule cannot show: 25,000 steps of three arms on two folds, read along the way. Needs an NVIDIA GPU.
#
#   bash experiments/gpu.sh             # features, then seed 0, then seed 1, as far as MINUTES allow; the same goes on
#   bash experiments/gpu.sh features    # one stage alone
#   bash experiments/gpu.sh train 1     # one seed alone
#   bash experiments/gpu.sh rehearse    # all of it on a CPU with tiny cells, in a folder of its own, in half a minute
#
# The file PACK comes first, on a machine that has the photographs:
#   python experiments/gpu/pack.py --data DIR --out runs/voc-small-224.zip
#
# The arms of a seed are processes beside each other: a head this small leaves a GPU idle most of the time. Seeds come one
# after the other: where time runs out a seed is missing, and no steps are. A process stops at a reading, in time.
set -euo pipefail
cd "$(dirname "$0")/.."

MINUTES="${MINUTES:-10}" # of one call, whole ones; the last of them is left free
PACK="${PACK:-runs/voc-small-224.zip}"
WORK="${WORK:-runs/gpu}"
RESULTS="${RESULTS:-experiments/results}"
ARMS=(PFENet SCNet pseudo-episode)
CELLS=()
FAILED=0

# Ctrl-C does not reach what a script runs in the background.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

features() {
    python experiments/gpu/features.py "${PLACES[@]}"
}

train() { # SEED: all arms together, unless less than a minute is left
    local arm process processes=() left=$((MINUTES - SECONDS / 60 - 1))
    if ((left < 1)); then
        echo "seed $1 waits: the $MINUTES minutes are nearly over; the same command goes on"
        return
    fi
    for arm in "${ARMS[@]}"; do
        python experiments/gpu/train.py --arm "$arm" --seed "$1" --minutes "$left" "${PLACES[@]}" "${CELLS[@]}" &
        processes+=($!)
    done
    for process in "${processes[@]}"; do
        wait "$process" || FAILED=1
    done
}

rehearsal() { # tiny cells in the place of the study's
    WORK="${WORK_OF_REHEARSAL:-$(mktemp -d)}"
    PACK="$WORK/pack.zip"
    RESULTS="$WORK/results"
    export SELFCONTRAST_DEVICE=cpu OMP_NUM_THREADS=1
    python - "$WORK/scenes" <<'PYTHON'
import sys
sys.path.insert(0, "examples/pfenet_scnet")
from data.synthetic import make_scenes
make_scenes(sys.argv[1], 0.25, 60, 100, seed=4)
PYTHON
    python experiments/gpu/pack.py --data "$WORK/scenes" --out "$PACK" --size 64 --quality 90
    TINY='{"size": 64, "scales": [4, 2], "channels": 16, "batch": 2, "min_pixels": 500}'
    PLACES=(--pack "$PACK" --work "$WORK" --results "$RESULTS" --settings "$TINY")
    CELLS=(--folds 0 1 --readings 2 4 --episodes 6)
}

PLACES=(--pack "$PACK" --work "$WORK" --results "$RESULTS")
case "${1:-all}" in
rehearse) rehearsal && features && train 0 ;;
features) features ;;
train) train "${2:?expected a seed after train}" ;;
all)
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    features
    for seed in 0 1; do train "$seed"; done
    ;;
*)
    echo "gpu.sh: expected rehearse, features, train SEED, or nothing, got $1" >&2
    exit 2
    ;;
esac
exit "$FAILED"
