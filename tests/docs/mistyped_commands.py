"""Commands of the README and of docs/own-data.md, mistyped; tests/pfenet_scnet/careless/ tries each kind of option.

They run in a folder that holds voc/, a data set of eight classes, notes.txt and empty/, and nothing that the pages name:
so each is also a command that was typed in the wrong folder.
"""

# ruff: noqa: E501  What stands on a page, and what is said, is written as it is.

from typing import NamedTuple


class Typed(NamedTuple):
    """A command of a page, what is typed in its place, and a part of the one line that is said."""

    page: str
    meant: str
    typed: str
    said: str


README, OWN = "README.md", "docs/own-data.md"
# A data set of seconds, where the command would else draw its own.
VOC = "--data voc --size 64 --scales [4,2] --channels 16 --batch 2 --steps 2 --episodes 2 --workers 0 --min_pixels 50"
NO_LIST = "ImageSets/Segmentation/train.txt, got none; give the folder that holds JPEGImages/"
NO_RUN = "target: expected a run's folder or a file of weights, got RUN; check the path"

COMMANDS = [
    *[
        Typed(README, meant, typed, said)
        for meant, typed, said in (
            (
                "compare.py",
                "compare seeds",
                "seeds: expected an option, got a word without one before it; --help lists",
            ),
            ("--seeds 0 1 2", "compare --seeds", "--seeds: expected a value after it, got none; --help explains"),
            ("--seeds 0 1 2", "compare --seeds 0,1,2", "seeds: expected a whole number, got 0,1,2; change --seeds"),
            ("--seeds 0 1 2", "compare --seed 0 1 2", "1: expected an option, got a word without one before it"),
            ("--seeds 0 1 2", "compare --seeds 0 0", "seeds: expected each seed once, got [0, 0]"),
            (
                "--weight 0",
                "compare --weight 0",
                "weight: expected more than 0, got 0; the run without the task is train",
            ),
            ("--weight 0", "train --weight", "--weight: expected a value after it, got none; --help explains"),
            ("--weight 0", "train --weight O", "weight: expected a number, got O; change --weight"),
            ("--weight 0", "train --weight=", "weight: expected a number, got nothing; change --weight"),
            ("--weight 0", "train -weight 0", "-weight: expected an option, got a word without one before it"),
            ("--hidden 0.5", "train --hidden 5", "hidden: expected 0 to 0.5, got 5; change --hidden"),
            ("--hidden 0.5", "train --hiden 0.5", "did you mean --hidden?"),
            ("--resume true", "train --resume", "--resume: expected a value after it, got none"),
            ("--resume true", "train --resume ture", "resume: expected true or false, got ture; change --resume"),
            ("--tensorboard true", "train --tensorboard tru", "tensorboard: expected true or false, got tru"),
            ("--recipe voc_small", "train --recipe voc_smal", "got voc_smal; did you mean voc_small?"),
            (
                "--recipe voc_small",
                "train --recipe voc_small --data DIR --fold 2",
                "data: expected a list at DIR/Image",
            ),
            ("--fold 2", "train --fold two", "fold: expected a whole number, got two; change --fold"),
            ("--fold 2", f"train {VOC} --fold 4", "fold: expected 0 to 3, got 4; there are 4 folds"),
            ("--cache_features true", "train --cache-features true", "did you mean --cache_features?"),
            ("--data data/mine", "train --data data/mine --novel_classes cup,fork", NO_LIST),
            ("--novel_classes cup,fork", "train --novel_classes cup fork", "fork: expected an option, got a word with"),
            ("--novel_classes cup,fork", f"train {VOC} --novel_classes thing1,thng2", "did you mean thing2?"),
            ("--recipe pascal_resnet50", "train --recipe pascal_resnet50 --fold 2 --shot 1", f"data/pascal/{NO_LIST}"),
            ("--shot 1", "train --shot one", "shot: expected a whole number, got one; change --shot"),
            (
                "--shot 5",
                f"train {VOC} --shot 5",
                "expected at least 6 images with 50 pixels of it, got 3; lower min_pi",
            ),
            (
                "--micro_batch 2",
                f"train {VOC} --micro_batch 3",
                "batch: expected a multiple of processes x micro_batch",
            ),
            (
                "train.py",
                f"train {VOC} --out notes.txt",
                "notes.txt: File exists; name another path, or move what lies",
            ),
            ("train.py", f"train {VOC} --out notes.txt/run", "a file lies where a folder is needed; name another path"),
            ("train.py", "train --data notes.txt", f"data: expected a list at notes.txt/{NO_LIST}"),
            ("report.py RUN BASELINE", "report", "RUN: expected a value, got none; --help explains"),
            (
                "report.py RUN BASELINE",
                "report RUN BASELINE",
                "runs: expected the folder of a run, got RUN; check the pa",
            ),
            (
                "report.py RUN BASELINE",
                "report empty",
                "empty/recipe.yaml: expected the recipe of a run, got no such fil",
            ),
            ("evaluate.py RUN", "evaluate RUN --shot 5 --episodes 1000 --seeds 1 2 3", NO_RUN),
            ("evaluate.py RUN", "evaluate --seeds 1 2 3", "target: expected a value, got none; --help explains"),
            ("--seeds 1 2 3", "evaluate RUN --seeds 1,2,3", "seeds: expected a whole number, got 1,2,3"),
            (
                "published.pth",
                "evaluate published.pth --recipe pascal_resnet50 --fold 2",
                "got published.pth; check the",
            ),
            ("published.pth", "evaluate notes.txt", "notes.txt: expected a checkpoint of tensors, got something else"),
            ("predict.py RUN", "predict RUN --support a.jpg a.png --query photos --out masks", NO_RUN),
            (
                "predict.py RUN",
                "predict --support a.jpg a.png --query photos --out masks",
                "target: expected a value, got",
            ),
            (
                "a.jpg a.png",
                "predict RUN --support a.jpg --query photos --out masks",
                "expected 2 values after it, got few",
            ),
            (
                "a.jpg a.png",
                "predict RUN --suport a.jpg a.png --query photos --out masks",
                "--suport: expected one of this command's options, got an unknown one; did you mean --support?",
            ),
            ("--out masks", "predict RUN --support a.jpg a.png --query photos", "--out: expected a value, got none"),
            ("demo.py RUN", "demo", "target: expected a value, got none; --help explains"),
            ("demo.py RUN", "demo RUN", NO_RUN),
            ("prepare.py pascal", "prepare pascl", "got pascl; did you mean pascal?"),
            (
                "prepare.py pascal",
                "prepare",
                "command: expected one of pascal, coco, folder, coco-json, scenes, got none",
            ),
            (
                "--voc VOCdevkit/VOC2012",
                "prepare pascal --voc VOCdevkit/VOC2012 --sbd benchmark_RELEASE/dataset --out data/pascal",
                "voc: expected VOCdevkit/VOC2012/JPEGImages, got no such file or folder; unpack ",
            ),
            ("--coco COCO", "prepare coco --coco COCO --out data/coco", "got no such file or folder; unpack "),
            ("--coco COCO", "prepare coco --out data/coco", "coco: expected a value, got none; --help explains"),
            ("--masks DIR", "prepare folder --images DIR --out data/mine", "masks: expected a value, got none"),
            (
                "--images DIR",
                "prepare folder --images DIR --masks DIR --out data/mine",
                "images: expected a folder, got D",
            ),
            ("--images DIR", "prepare folder --image empty --masks empty --out mine", "did you mean --images?"),
            (
                "--out data/mine",
                "prepare folder --images empty --masks empty --out voc",
                "out: expected a new or empty f",
            ),
            (
                "prepare.py scenes",
                "prepare scenes --root empty",
                "root: expected a new folder, got empty, which exists; na",
            ),
            ("leakage.py data/pascal", "leakage data/pascal --out leakage.png", f"data/pascal/{NO_LIST}"),
            ("leakage.py data/pascal", "leakage", "data: expected a value, got none; --help explains"),
            ("--out leakage.png", "leakage voc leakage.png", "leakage.png: expected an option, got a word without one"),
            (
                "--out leakage.png",
                "leakage voc --min_pixels 50 --out none/a.png",
                "none/a.png: No such file or directory; ",
            ),
            (
                "leakage.py",
                "leakage voc --name trian",
                "got none; give the folder that holds JPEGImages/, or one of its li",
            ),
            ("leakage.py", "leakage voc --folds 0", "folds: expected at least 2, got 0; change --folds"),
        )
    ],
    *[
        Typed(OWN, meant, typed, said)
        for meant, typed, said in (
            ("--recipe scenes", "train --recipe scene --out runs/first", "got scene; did you mean scenes?"),
            (
                "runs/first",
                "predict runs/frist --support photos/IMG_0001.jpg photos/marked/IMG_0001.png --query photos --out mugs",
                "expected a run's folder or a file of weights, got runs/frist; check the path",
            ),
            (
                "--json album/export.json",
                "prepare coco-json --json e.json --images empty --out d",
                "json: expected e.json",
            ),
            (
                "--json album/export.json",
                "prepare coco-json --json notes.txt --images empty --out d",
                "a JSON in COCO's f",
            ),
            ("prepare.py coco-json", "prepare coco_json --json notes.txt", "got coco_json; did you mean coco-json?"),
            (
                "--novel_classes key",
                f"train {VOC} --novel_classes keys",
                "novel_classes: expected names of classes or nu",
            ),
            (
                "--shot 3",
                "evaluate runs/album --shot 3",
                "expected a run's folder or a file of weights, got runs/album; chec",
            ),
            (
                "--class 2",
                "predict RUN --support a b --class key --query c --out d",
                "class: expected a whole number, got k",
            ),
        )
    ],
]
