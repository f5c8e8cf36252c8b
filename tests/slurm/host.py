"""A real Slurm of two nodes with two declared GPUs each, on this host alone (facts: shared/notes/cluster.md)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db")

CONF = """
ClusterName={name}
FirstJobId={job}
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5,socket={folder}/munge
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000,batch_sched_delay=0
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
KillWait=5
SlurmdTimeout=15
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
{accounting}
NodeName=n[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[{first}-{second}] CPUs=2 RealMemory=8000 Gres=gpu:2
PartitionName=debug Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=n[1-2] MaxTime=INFINITE State=UP OverSubscribe=NO PriorityTier=9 PreemptMode=OFF
"""
WITHOUT = "AccountingStorageType=accounting_storage/none"
WITH = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge
AccountingStorageTRES=gres/gpu
"""
DBD = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge
DbdHost=localhost
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost={socket}
StorageUser=root
StorageLoc=acct
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def missing(accounting=False):
    """What a Slurm here lacks, or nothing."""
    lacking = [name for name in DAEMONS + (ACCOUNTING if accounting else ()) if not shutil.which(name, path=_path())]
    return lacking or ([] if os.geteuid() == 0 else ["root"])


def first_job(environment):
    """The number of its first job; another Slurm beside it has others."""
    return int(re.search(r"FirstJobId=(\d+)", Path(environment["SLURM_CONF"]).read_text())[1])


@contextmanager
def slurm(folder: Path, accounting: bool = False):
    """Start it, give the environment its commands want, end all it started."""
    first = free_ports(3)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
    with ExitStack() as stack:
        stack.enter_context(_munge(folder, environment))
        say = WITHOUT
        if accounting:
            port = stack.enter_context(_accounting(folder, environment))
            say = WITH.format(port=port, folder=folder)
        (folder / "state").mkdir()
        for gpu in range(2):
            os.mknod(folder / f"gpu{gpu}", 0o600 | 0o020000, os.makedev(195, gpu))
        (folder / "gres.conf").write_text(f"NodeName=n[1-2] Name=gpu File={folder}/gpu[0-1]\n")
        values = {"name": f"t{first}", "job": 1000 * first, "port": first + 2, "first": first, "second": first + 1}
        (folder / "slurm.conf").write_text(CONF.format(**values, folder=folder, accounting=say))
        for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
            stack.enter_context(_daemon(command, environment, folder))
        until(lambda: said(["sinfo", "-h", "-N", "-p", "debug", "-o", "%T"], environment).split() == ["idle", "idle"])
        yield environment
        subprocess.run(["scancel", "--signal=KILL", "-u", "root"], env=environment, capture_output=True)
        subprocess.run(["scancel", "-u", "root"], env=environment, capture_output=True)
        until(lambda: not said(["squeue", "-h"], environment))
        for pid in folder.glob("slurmd-*.pid"):
            os.kill(int(pid.read_text()), signal.SIGTERM)


@contextmanager
def node_down(environment, name):
    """Kill a node's daemon meanwhile; Slurm is told at once of what it would notice after SlurmdTimeout."""
    pid = Path(environment["SLURM_CONF"]).with_name(f"slurmd-{name}.pid")
    os.kill(int(pid.read_text()), signal.SIGKILL)
    node = ["scontrol", "update", f"NodeName={name}"]
    subprocess.run([*node, "State=DOWN", "Reason=killed"], env=environment, check=True, capture_output=True)
    yield
    pid.unlink()
    subprocess.run(["slurmd", "-N", name], env=environment, check=True, capture_output=True)  # as a daemon
    said([*node, "State=RESUME"], environment)  # refused where it is back already
    until(lambda: said(["sinfo", "-h", "-n", name, "-p", "debug", "-o", "%T"], environment).strip() == "idle")


@contextmanager
def _accounting(folder, environment):
    data, place = folder / "db", folder / "db.sock"
    options = [f"--datadir={data}", "--user=root", "--skip-name-resolve"]
    subprocess.run(
        ["mariadb-install-db", *options, "--auth-root-authentication-method=normal"],
        check=True,
        env=environment,
        capture_output=True,
    )
    port = free_ports(1)
    (folder / "slurmdbd.conf").write_text(DBD.format(port=port, socket="localhost", folder=folder))
    (folder / "slurmdbd.conf").chmod(0o600)
    environment["MYSQL_UNIX_PORT"] = str(place)
    with _daemon(
        ["mariadbd", *options, f"--socket={place}", "--skip-networking", f"--pid-file={folder}/db.pid"],
        environment,
        folder,
    ):
        until(place.exists)
        with _daemon(["slurmdbd", "-D"], environment, folder):
            until(lambda: listening(port))
            yield port


@contextmanager
def _daemon(command, environment, folder):
    name = "-".join(command).replace("/", "_")[:40]
    with (folder / f"{name}.out").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _munge(folder, environment):
    """A munge of our own: its socket is named in slurm.conf."""
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))
    names = {"key-file": key, "socket": folder / "munge", "pid-file": folder / "munge.pid"}
    names |= {"log-file": folder / "munge.log", "seed-file": folder / "munge.seed"}
    options = [f"--{name}={file}" for name, file in names.items()]
    with _daemon(["munged", "--force", "--foreground", *options], environment, folder):
        until((folder / "munge").exists)
        yield


def _path():
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def said(command, environment):
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout


def free_ports(count):
    """The first of so many neighbouring free ports."""
    while True:
        with ExitStack() as stack:
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            first = one.getsockname()[1]
            try:
                for more in range(1, count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", first + more))
            except OSError:
                continue
            return first


def listening(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


PATIENCE = 300  # seconds: a sixth of that is enough on two cores, but other work may have these


def until(true, what="waited in vain"):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.1)
