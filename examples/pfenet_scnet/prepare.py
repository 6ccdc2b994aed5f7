"""Check the data sets that you downloaded and write what training reads, or draw scenes. Nothing is downloaded here.

python examples/pfenet_scnet/prepare.py pascal --voc VOCdevkit/VOC2012 --sbd benchmark_RELEASE/dataset --out data/pascal
python examples/pfenet_scnet/prepare.py coco --coco COCO --out data/coco
python examples/pfenet_scnet/prepare.py scenes --root runs/scenes --hidden 0.25

Images stay where they are. Interrupt it when you like: every file is whole or not there.
"""

from data.coco import prepare_coco
from data.synthetic import make_scenes
from data.voc import prepare_pascal
from jsonargparse import auto_cli

if __name__ == "__main__":
    auto_cli({"pascal": prepare_pascal, "coco": prepare_coco, "scenes": make_scenes}, as_positional=False)
