"""Models that compare with the foreground and with the background: DCP, R2Net and NTRENet."""

from selfcontrast.attach.host import Host

TWO_BRANCHES: dict[str, Host] = {}
