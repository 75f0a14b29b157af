#!/usr/bin/env python3
"""An export on a Dask cluster: plan, a task for each unit, then --finish.

    dask_run.py SCHEDULER ARCHIVE DATASET --format parquet [OPTION OF export]...

The archive and the dataset are on a file system that all workers share. Dask runs a unit again
that failed or whose worker was lost. A unit that exists is not made again, so this script may be
run again, too. The environment variable UNIT_BYTES is the size of a unit (1GiB).
"""
import json
import os
import subprocess
import sys

from dask.distributed import Client, as_completed

UNIT_BYTES = os.environ.get("UNIT_BYTES", "1GiB")


def plan(archive, options):
    """The command of each unit, as a list of words, and the days that are not finished."""
    command = ["tapedeck", "plan", archive, "--unit-bytes", UNIT_BYTES, "--json", "--", *options]
    days = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["days"]
    units = [unit["command"] for day in days for unit in day["units"]]
    return units, [day["day"] for day in days if not day["finished"]]


def make(command):
    """Run on a worker. The unit ends with its worker (setpriv), because Dask then starts another."""
    words = ["setpriv", "--pdeathsig", "KILL", *command, "-q"]
    end = subprocess.run(words, stderr=subprocess.PIPE, text=True)
    if end.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {end.returncode}\n{end.stderr}")


def main():
    scheduler, archive, dataset, *more = sys.argv[1:]
    options = ["--out", dataset, *more]
    units, unfinished = plan(archive, options)
    with Client(scheduler) as client:
        tasks = client.map(make, units, pure=False, retries=3)
        failed = [task for task in as_completed(tasks) if task.status != "finished"]
        for task in failed:
            print(task.exception() if task.status == "error" else task.status, file=sys.stderr)
    if unfinished:
        print("not finished:", ", ".join(unfinished), file=sys.stderr)
    return subprocess.run(["tapedeck", "export", archive, *options, "--finish"]).returncode


if __name__ == "__main__":
    sys.exit(main())
