import pytest
import torch

from selfcontrast import InputError, overlay_labels
from selfcontrast.visualize import COLOURS


def test_negative_labels_leave_the_image_and_others_take_their_colour():
    image = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8)
    picture = overlay_labels(image, torch.tensor([[-1, 0], [1, 7]]), opacity=1.0)
    assert torch.equal(picture[:, :2, :2], image[:, :2, :2])
    for rows, columns, colour in (
        (slice(2), slice(2, 4), 0),
        (slice(2, 4), slice(2), 1),
        (slice(2, 4), slice(2, 4), 1),
    ):
        assert (torch.tensor(COLOURS[colour]) == picture[:, rows, columns].flatten(1).T).all()


def test_opacity_blends():
    image = torch.full((3, 1, 1), 100, dtype=torch.uint8)
    assert overlay_labels(image, torch.tensor([[0]]), opacity=0.5).flatten().tolist() == [165, 80, 80]
    assert torch.equal(overlay_labels(image, torch.tensor([[0]]), opacity=0.0), image)


@pytest.mark.parametrize(
    ("image", "labels", "opacity", "argument"),
    [
        (torch.zeros(3, 2, 2), torch.zeros(2, 2, dtype=torch.long), 0.5, "image"),
        (torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(1, 2, 2, dtype=torch.long), 0.5, "labels"),
        (torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(2, 2), 0.5, "labels"),
        (torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.long), 1.5, "opacity"),
    ],
)
def test_says_what_is_wrong(image, labels, opacity, argument):
    with pytest.raises(InputError, match=f"{argument}: expected"):
        overlay_labels(image, labels, opacity)
