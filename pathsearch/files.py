"""Where a file that a configuration names lies, and where this program keeps its own."""

from pathlib import Path
from typing import Literal

from platformdirs import PlatformDirs

from pathsearch.errors import PathsearchError


def expanded(name: str | Path) -> Path:
    """The path of a name, `~` and `~user` replaced; raises PathsearchError where that home folder is not known."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise PathsearchError(f"the home folder in {name} is not known: write the path without ~") from None


def candidates(name: str | Path, folder: Path) -> list[Path]:
    """The places where a relative name may be: the working folder, then `folder`, the configuration's."""
    path = expanded(name)
    return list(dict.fromkeys([path, folder / path]))


def found(name: str | Path, folder: Path) -> Path:
    """The file or folder of that name in the working folder, else in `folder`, the configuration's.

    Raises PathsearchError that names both places.
    """
    for candidate in candidates(name, folder):
        if there(candidate):
            return candidate
    raise PathsearchError(f"no file {name} {places(name, folder)}")


def there(path: Path) -> bool:
    """Whether a path exists and can be seen. No name raises an error, however odd it is."""
    try:
        return path.exists()
    except OSError:  # the name is too long, or its folder is closed to this user
        return False


def user_folder(kind: Literal["cache", "config", "state"]) -> Path | None:
    """This program's folder among the user's own, as ~/.cache/pathsearch; None for a user without a home folder."""
    try:
        folder: Path = getattr(PlatformDirs("pathsearch"), f"user_{kind}_path")
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None  # earlier versions of platformdirs leave a ~ in it


def places(name: str | Path, folder: Path) -> str:
    """The places where `found` looks, in words."""
    here, beside = Path.cwd(), folder.resolve()
    if expanded(name).is_absolute():
        return "on this machine"
    return f"here in {here}" if here == beside else f"here in {here} or beside the configuration in {beside}"
