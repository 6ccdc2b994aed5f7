"""What followed PFENet: MIANet, MSANet, PFENet++ and QGNet."""

from selfcontrast.attach.host import Host

PFENET_FOLLOWERS: dict[str, Host] = {}
