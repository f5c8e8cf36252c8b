"""A Ray cluster inside a job step: rank 0 starts the head, the other ranks join it, and all end with it.

Rank 0 writes the address into a folder of this attempt inside the run's folder, which all nodes see; the others leave
when it is gone. All processes are ended by their ids: other people's Rays on the same nodes are not ours to touch.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from pathsearch import clusters
from pathsearch.errors import PathsearchError, needed
from pathsearch.jobs.allocation import Allocation, end_step
from pathsearch.run.stop import WARNING, Stop

UP = 120.0  # seconds for a node to start Ray, and for all nodes to join
PORTS = 3  # tries to find a port that is still free a moment later
SEEN = 30.0  # seconds until the other nodes must see the folder that the first one makes
LEAVE = 2.0  # seconds for Ray to end by itself
NEEDED = 20.0  # seconds that a node stays after SIGTERM: the first node may be writing a checkpoint
LOOK = 0.2  # seconds between two looks
PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # short paths on a node's own disk or memory


@contextmanager
def head(place: Path, given: Allocation, lost: Callable[[str], int]) -> Iterator[str]:
    """Rank 0: start a head on this node and give its address, which the other ranks read in a folder below `place`.

    Where Ray ends too early, this process ends too, with the status that `lost` returns: a call to a cluster that is
    gone would block it for minutes.
    """
    with needed("ray", "a run on several GPUs or nodes"):
        if find_spec("ray") is None:  # not imported: Ray reads the environment at its import, below
            raise ImportError("no module named 'ray'")
    rendezvous = _rendezvous(place, given)
    for old in place.glob(f".ray-{given.job}-*"):  # killed attempts left them
        shutil.rmtree(old, ignore_errors=True)
    rendezvous.mkdir(mode=0o700, parents=True)
    token = clusters.kept_secret(rendezvous / "token")
    with _sockets(given) as sockets:
        try:
            child, address = _head(given, sockets, token)
            try:
                (rendezvous / "address.part").write_text(address, "utf-8")
                (rendezvous / "address.part").rename(rendezvous / "address")
                os.environ.update(_authenticated(token))  # for Ray in this process, which is not imported yet
                host, _, port = address.rpartition(":")
                gone = partial(_ray_ended, child, rendezvous, sockets, lost)
                with clusters.watched([(host, int(port))], gone, lambda: child.poll() is None):
                    yield address
            finally:
                with contextlib.suppress(OSError):
                    (rendezvous / "address").unlink()  # the other nodes leave when it is gone
                _end(child)
        finally:
            shutil.rmtree(rendezvous, ignore_errors=True)


def _ray_ended(child: "subprocess.Popen[bytes]", rendezvous: Path, sockets: Path, lost: Callable[[str], int]) -> None:
    status = 1
    try:
        shutil.rmtree(rendezvous, ignore_errors=True)  # the other nodes leave when it is gone
        status = lost(f"Ray ended on {socket.gethostname()}, the first node: {_last_printed(sockets)}")
        _end(child)
        shutil.rmtree(sockets, ignore_errors=True)
    finally:
        os._exit(status)


def join(place: Path, given: Allocation, stop: Stop) -> None:
    """Another rank: lend this node to the head until the head is gone.

    Where there is no head it ends the step, since the first node would wait for this one, and raises PathsearchError.
    """
    host = os.environ.get("SLURMD_NODENAME", socket.gethostname())
    rendezvous = _rendezvous(place, given)
    published, token = rendezvous / "address", rendezvous / "token"
    began, met = time.monotonic(), False
    while not published.exists():
        if stop.number is not None or (met and not rendezvous.exists()):
            return  # the first node prints why
        met = met or rendezvous.exists()
        there = place.is_dir()
        if time.monotonic() > began + (UP if there else SEEN):
            end_step()
            if there:
                raise PathsearchError(
                    f"{host} waited {UP:g} s for the first node of the job to start Ray, which it did not"
                )
            raise PathsearchError(f"{place} cannot be seen on {host}: put the run on a file system all nodes share")
        time.sleep(LOOK)
    try:
        address = published.read_text("utf-8")
    except OSError:
        return  # the first node has left, and prints why
    with _sockets(given) as sockets:
        child = _ray(["--address", address], given, sockets, token)
        asked = None
        try:
            while child.poll() is None and published.exists():
                # all ranks get SIGTERM at once, and the first one needs this node for its last checkpoint
                asked = asked or (time.monotonic() if stop.number == signal.SIGTERM else None)
                if asked and time.monotonic() > asked + NEEDED:
                    return
                time.sleep(LOOK)
            if published.exists() and stop.number is None:
                raise PathsearchError(f"Ray ended on {host} with status {child.returncode}: {_last_printed(sockets)}")
        finally:
            _end(child)


def _rendezvous(place: Path, given: Allocation) -> Path:
    return place.resolve() / f".ray-{given.attempt}"


def _authenticated(token: Path) -> dict[str, str]:
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_metrics_collection": "0",  # else every node opens a port for metrics, which asks for no token
    }


def _head(given: Allocation, sockets: Path, token: Path) -> tuple["subprocess.Popen[bytes]", str]:
    host = _address()
    for _ in range(PORTS):
        port, other = _free_ports()
        options = ["--head", f"--node-ip-address={host}", f"--port={port}", "--include-dashboard=false"]
        if find_spec("grpc"):  # then Ray starts a server for clients, by default on the same port for all jobs
            options.append(f"--ray-client-server-port={other}")
        child = _ray(options, given, sockets, token)
        deadline = time.monotonic() + UP
        while child.poll() is None and time.monotonic() < deadline:
            if clusters.silent(host, port) is None:
                return child, f"{host}:{port}"
            time.sleep(LOOK)
        _end(child)
    raise PathsearchError(f"Ray could not be started on {socket.gethostname()}: {_last_printed(sockets)}")


def _ray(options: list[str], given: Allocation, sockets: Path, token: Path) -> "subprocess.Popen[bytes]":
    """Start Ray's processes as children of this one; they end when it ends, however it ends."""
    # all ports are free ones: on one host, as in tests, the ports of nodes must differ. The paths of sockets have to be
    # short, and Ray opens their folder to all users: --temp-dir is inside one that only this user may enter
    arguments = [f"--num-cpus={given.cpus}", f"--num-gpus={given.gpus}", "--min-worker-port=0", "--max-worker-port=0"]
    arguments += ["--dashboard-agent-listen-port=0", f"--temp-dir={sockets}/r", "--include-log-monitor=false"]
    arguments += ["--no-monitor", "--disable-usage-stats", "--block"]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *options, *arguments]
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        signal.signal(WARNING, signal.SIG_IGN)  # SLURM sends it to all processes of a step
        if hasattr(libc, "prctl"):
            libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG

    with (sockets / f"ray-{given.rank}.log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **_authenticated(token)}, preexec_fn=prepare
        )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ask Ray to end, then kill it: SLURM leaves little time between SIGTERM and SIGKILL."""
    below = clusters.descendants(child.pid)
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(LEAVE)
    child.kill()
    child.wait()
    clusters.killed(below)


@contextmanager
def _sockets(given: Allocation) -> Iterator[Path]:
    """A folder with a short path on this node's own disk, for this rank of this attempt alone."""
    for place in PLACES:
        for old in Path(place).glob(f"ps{given.job}-*"):  # killed attempts left them
            if not old.name.startswith(f"ps{given.attempt}."):
                shutil.rmtree(old, ignore_errors=True)
    folder = _short(f"ps{given.attempt}.")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short(prefix: str) -> Path:
    """A new folder with a short path, whatever TMPDIR is: a socket's path has at most 107 bytes, and Ray adds 64."""
    refused = []
    for place in PLACES:
        try:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        except OSError as error:
            refused.append(f"{place} ({error.strerror})")
    raise PathsearchError(f"no folder for Ray's sockets on {socket.gethostname()}: {', '.join(refused)}")


def _last_printed(sockets: Path) -> str:
    said = "".join(file.read_text("utf-8", "replace") for file in sockets.glob("ray-*.log"))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return re.sub(r"^.*? (INFO|WARNING|ERROR) \S+ -- ", "", lines[-1]) if lines else "it said nothing"


def _address() -> str:
    """This node's address as other nodes see it."""
    with contextlib.suppress(OSError):
        found = socket.gethostbyname(socket.gethostname())
        if not found.startswith("127."):
            return found
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))  # sends nothing: it asks the system which of its addresses it would send from
        return str(one.getsockname()[0])
    return "127.0.0.1"
