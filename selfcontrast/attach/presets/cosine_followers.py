"""IFA, Q-Net, RPT and ALPNet, which compare by cosine similarity."""

from selfcontrast.attach.host import CosineHost

COSINE_FOLLOWERS: dict[str, CosineHost] = {}
