"""IPMT and AENet, which attend from the query to the support beside their comparison."""

from selfcontrast.attach.host import Host

ATTENTION_FOLLOWERS: dict[str, Host] = {}
