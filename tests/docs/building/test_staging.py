"""Links on their way to the site: between pages they stay relative, pictures come along, the rest leads elsewhere."""

import pytest
from site_modules import Pages

TEXT = """# One

[page](two.md#here) [up](../README.md) [code](../code/a.py) [folder](../code) [self](#one) [web](https://x.org/a.md)
![picture](../far/p.png) <img src="pictures/q.svg"> [out](../CONTRIBUTING.md) `[span](gone.md)` ``[a](gone.md) ` b``

```text
[block](gone.md)
```
"""


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    for path in ("README.md", "CONTRIBUTING.md", "code/a.py", "far/p.png", "docs/pictures/q.svg", "docs/two.md"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("# Some\n")
    (root / "docs/deep").mkdir()
    (root / "docs/stylesheets").mkdir()
    (root / "docs/one.md").write_text(TEXT)
    (root / "docs/deep/three.md").write_text("[up](../two.md) ![p](../../far/p.png) [out](../../CONTRIBUTING.md)\n")
    return root


def test_links_lead_where_the_site_has_them(repository, tmp_path):
    Pages(repository, tmp_path / "pages", "https://git.example/us").write()
    one = (tmp_path / "pages/one.md").read_text()
    assert one == (
        "# One\n\n"
        "[page](two.md#here) [up](https://git.example/us/blob/main/README.md) "
        "[code](https://git.example/us/blob/main/code/a.py) [folder](https://git.example/us/tree/main/code) "
        "[self](#one) [web](https://x.org/a.md)\n"
        '![picture](far/p.png) <img src="pictures/q.svg"> [out](contributing.md) '
        "`[span](gone.md)` ``[a](gone.md) ` b``\n\n"
        "```text\n[block](gone.md)\n```\n"
    )
    three = (tmp_path / "pages/deep/three.md").read_text()
    assert three == "[up](../two.md) ![p](../far/p.png) [out](../contributing.md)\n"
    for picture in ("far/p.png", "pictures/q.svg"):
        assert (tmp_path / "pages" / picture).is_file()


def test_links_to_nothing_are_named_with_their_pages(repository, tmp_path):
    (repository / "docs/two.md").write_text("[gone](../code/b.py)\n")
    (repository / "CONTRIBUTING.md").write_text("[gone](docs/four.md#here)\n")
    both = r"CONTRIBUTING\.md: docs/four\.md#here\ndocs/two\.md: \.\./code/b\.py\nmend them"
    with pytest.raises(FileNotFoundError, match=both):
        Pages(repository, tmp_path / "pages", "https://git.example/us").write()
