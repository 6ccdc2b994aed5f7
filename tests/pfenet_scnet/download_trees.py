"""Small trees in the layouts that VOC, SBD and COCO are downloaded in."""

import json

import numpy as np
from PIL import Image
from scipy.io import savemat
from voc_tree import write_voc


def write_download(root, masks_of_voc, masks_of_sbd):
    """VOCdevkit/VOC2012 and benchmark_RELEASE/dataset: dicts of name → mask; returns both folders.

    VOC's train are its names in a, its val those in v; all of SBD's are in its train.txt.
    """
    voc, sbd = root / "VOC2012", root / "dataset"
    every = masks_of_sbd | masks_of_voc
    write_voc(voc, list(every.values()), names=list(every))
    (voc / "SegmentationClassAug").rename(voc / "SegmentationClass")
    for name in every.keys() - masks_of_voc.keys():
        (voc / "SegmentationClass" / f"{name}.png").unlink()
    for split, letter in (("train", "a"), ("val", "v")):
        names = [name for name in masks_of_voc if name.startswith(letter)]
        (voc / "ImageSets/Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    (sbd / "cls").mkdir(parents=True)
    for name, mask in masks_of_sbd.items():
        write_mat(sbd / "cls" / f"{name}.mat", mask)
    (sbd / "train.txt").write_text("\n".join(masks_of_sbd) + "\n")
    return voc, sbd


def write_mat(path, mask):
    """A mask in SBD's structure: GTcls with boundaries, the segmentation and the categories."""
    present = np.setdiff1d(np.unique(mask), [0])
    boundaries = np.empty((20, 1), object)
    boundaries[:, 0] = [np.zeros((0, 2))] * 20
    savemat(
        path,
        {
            "GTcls": {
                "Boundaries": boundaries,
                "Segmentation": mask.astype(np.uint8),
                "CategoriesPresent": present[:, None],
            }
        },
        do_compression=True,
    )


def square(x, y, side):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def write_coco(root, parts, categories=((1, "person"), (3, "car"), (90, "toothbrush"), (44, "bottle")), year="2014"):
    """annotations/instances_*.json and images of 60 x 40; `parts`: split → one list of annotations an image."""
    (root / "annotations").mkdir(parents=True)
    for split, images in parts.items():
        part = f"{split}{year}"
        (root / part).mkdir()
        content = {"images": [], "annotations": [], "categories": [{"id": i, "name": n} for i, n in categories]}
        for number, instances in enumerate(images, 1):
            name = f"COCO_{part}_{number:012d}.jpg"
            pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / part / name)
            content["images"].append({"id": number, "file_name": name, "height": 40, "width": 60})
            for one in instances:
                content["annotations"].append(
                    {"id": len(content["annotations"]) + 1, "image_id": number, "iscrowd": 0} | one
                )
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))
    return root
