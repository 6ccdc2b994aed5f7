"""`python -m selfcontrast doctor`."""

import sys

from selfcontrast.doctor.findings import report

USAGE = "write: python -m selfcontrast doctor"


def main(words: list[str]) -> int:
    """Run a command; 0 where all is well, 1 where something that is installed does not work, 2 for other words."""
    if words in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if words != ["doctor"]:
        print(f"command: expected doctor, got {' '.join(words) or 'nothing'}; {USAGE}", file=sys.stderr)
        return 2
    text, well = report()
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
