#!/bin/sh
# An export as tasks of a Slurm array: plan, an array with a task for each unit, then --finish.
#   slurm.sh ARCHIVE DATASET --format parquet [OPTION OF export]...
# The archive and the dataset are on a file system that all nodes share. A task that failed is
# submitted again by running this script again: units that exist are not made again.
set -eu
archive=$1 dataset=$2
shift 2
mkdir -p "$dataset"
tapedeck plan "$archive" --unit-bytes "${UNIT_BYTES:-1GiB}" -- --out "$dataset" "$@" >"$dataset.units"
count=$(wc -l <"$dataset.units")
TASKS=${TASKS:-$((count < 1000 ? count : 1000))}

# Each task runs every TASKS-th unit, because arrays have a limit (MaxArraySize).
cat >"$dataset.task" <<END
#!/bin/sh
sed -n "\${SLURM_ARRAY_TASK_ID}~${TASKS}p" '$dataset.units' >'$dataset.task'.\$SLURM_ARRAY_TASK_ID
sh -e '$dataset.task'.\$SLURM_ARRAY_TASK_ID
END
sbatch --wait --array="1-$TASKS" --cpus-per-task="${CPUS:-2}" --output="$dataset.%a.log" \
  "$dataset.task" || echo "a task failed: see $dataset.*.log" >&2
tapedeck export "$archive" --out "$dataset" "$@" --finish
