"""The command `pathsearch extend`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pathsearch.jobs import work
from pathsearch.run.stop import signals

if TYPE_CHECKING:
    from pathsearch.run.settings import Asked

Changes = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="[KEY=VALUE]...", help="steps=+1000, steps=5000, tolerance=1e-4, until.barrier=0.01, until=null."
    ),
]


def extend(
    where: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder or its path.h5.")],
    changes: Changes = None,
) -> None:
    """Search on where a run ended, with more steps, a smaller tolerance, another goal; or continue a stopped one."""
    folder = (where.parent if where.name == "path.h5" else where).expanduser().resolve()

    def asked() -> "Asked":
        from pathsearch.run.extend import extended

        return extended(folder, list(changes or []))

    with signals() as stop:
        found = work.run(folder, asked, stop)
    if found is not None:
        from pathsearch.run.finish import finish

        finish(found)
