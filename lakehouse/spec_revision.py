"""The specs as they are in a folder, or were at a git revision."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.runtime.unpack import SAFELY
from specs.errors import SpecError, WrongInput
from specs.loader import SPECS_FOLDER, Specs, load_specs

REPOSITORY = SPECS_FOLDER.parent


def _git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    git = shutil.which("git")
    if not (REPOSITORY / "pyproject.toml").is_file():  # a wheel, which may lie below another clone
        raise WrongInput(f"{REPOSITORY} is no clone of the repository, so give folders of specs")
    if git is None:
        raise WrongInput("git is not installed, so give folders of specs")
    return subprocess.run(  # noqa: S603  (no shell, and a revision stands after --end-of-options)
        [git, "-C", str(REPOSITORY), *arguments], capture_output=True, check=False
    )


def _archive(revision: str) -> bytes:
    """The specs of a revision as a tar file."""
    asked = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if asked.returncode:
        raise WrongInput(f"{revision} is neither a folder of specs nor a revision of {REPOSITORY}")
    found = _git("archive", "--format=tar", asked.stdout.decode().strip(), SPECS_FOLDER.name)
    if found.returncode:
        raise WrongInput(f"revision {revision}: {found.stderr.decode().strip()}")
    return found.stdout


@contextmanager
def specs_at(place: str) -> Iterator[Specs]:
    """The specs of a folder, or of a git revision, whose files are there until the block ends.

    Raises:
        WrongInput: there is neither.
        SpecError: the specs there cannot be read, as where a later version gave them other keys.
    """
    if Path(place).is_dir():
        yield load_specs(Path(place))
        return
    with tempfile.TemporaryDirectory(prefix="traffic-specs-") as folder:
        with tarfile.open(fileobj=io.BytesIO(_archive(place))) as packed:
            files = [member for member in packed.getmembers() if member.isfile()]
            packed.extractall(folder, files, **SAFELY)  # noqa: S202  # nosec B202
        yield _readable(place, Path(folder) / SPECS_FOLDER.name)


def _readable(revision: str, folder: Path) -> Specs:
    try:
        return load_specs(folder)
    except SpecError as error:
        said = str(error).replace(f"{folder}/", "")
        raise SpecError(
            f"revision {revision} was read by other code than this one: {said}"
        ) from error
