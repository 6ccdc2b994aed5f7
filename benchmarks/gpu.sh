#!/usr/bin/env bash
# Everything that only a GPU can show, correctness first, in under eight minutes: writes benchmarks/results/*_cuda.json.
#
#   bash benchmarks/gpu.sh            # on a machine with an NVIDIA GPU, after pip install -e ".[examples,test]"
#   bash benchmarks/gpu.sh rehearse   # the same steps on a CPU with tiny sizes, into a folder of its own
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ "${1:-}" == rehearse ]]; then
    export SELFCONTRAST_RESULTS="${SELFCONTRAST_RESULTS:-$(mktemp -d)}"
    python benchmarks/clustering_gpu.py --device cpu --batch 1 --channels 16 --size 6 --rounds 1
    python benchmarks/step.py --device cpu --batch 1 --size 65 --channels 16 --rounds 1 --name step_rehearsal
    exit
fi

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
# The kernels themselves, not their interpreter, against float64.
python -m pytest -q -n 0 tests/clustering/kernels_against_loops.py
python benchmarks/clustering_gpu.py --rounds 20
python benchmarks/step.py --device cuda --rounds 20
python benchmarks/step.py --device cuda --rounds 20 --batch 8 --name step_cuda_8
