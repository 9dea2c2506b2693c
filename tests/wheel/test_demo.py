"""The demo out of the wheel, in a folder far from the repository: the README's figures."""

from lakehouse.artifacts import ROOT
from tests.wheel.conftest import Installed

DEMO_SECONDS = 1800.0
SEEDED = ("Verdicts", "Balance")
"""Tables of the README's run that no machine changes; the others hold what was fast or first."""


def shown() -> dict[str, str]:
    """The tables of the run that the README shows, by their titles."""
    text = (ROOT / "README.md").read_text()
    block = text.partition("<!-- demo -->\n```\n")[2].partition("```\n<!-- /demo -->")[0]
    tables, title = dict[str, str](), ""
    for line in block.splitlines():
        if line[:1].isalpha():
            title = line
        tables[title] = f"{tables.get(title, '')}{line}\n"
    return tables


def test_the_demo_prints_what_the_readme_shows(installed: Installed) -> None:
    done = installed.run("traffic", "demo", seconds=DEMO_SECONDS)
    assert done.returncode == 0, done.stderr
    printed = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    for title in SEEDED:
        assert shown()[title] in printed
    assert (installed.folder / ".traffic" / "demo" / "lake").is_dir()
