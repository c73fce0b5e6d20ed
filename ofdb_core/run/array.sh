#!/bin/bash
# A sweep of @COUNT@ cells, a task each, for SLURM or PBS: `sbatch @FILE@` or `qsub @FILE@`; `bash @FILE@ 3` runs cell 3
# here. When all are done, the command at the end, without --cell, writes the tables. Before its time is up, a training
# saves its state and ends; SLURM then queues the task again, and for PBS submit the script again: what is done is kept.
# Adapt the next lines to your cluster.
#SBATCH --job-name=ofdb-sweep
#SBATCH --array=0-@LAST@
#SBATCH --cpus-per-task=8
#SBATCH --gpus=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#PBS -N ofdb-sweep
#PBS -J 0-@LAST@
#PBS -l select=1:ncpus=8:ngpus=1
#PBS -l walltime=24:00:00
#PBS -j oe
number=${SLURM_ARRAY_TASK_ID:-${PBS_ARRAY_INDEX:-${1:?the number of a cell, from 0 to @LAST@}}}

cd @FOLDER@ || exit 2
@VARIABLES@
trap 'warned=1; kill -USR1 "${cell:-$!}"' USR1 TERM # passes the warning on, also before the next line but one has run
@COMMAND@ --cell "$number" &
cell=$!
while warned= && wait "$cell"; status=$?; [ $warned ]; do :; done # a warning ends `wait` with a status of its own
[ $status = 75 ] && [ -n "${SLURM_JOB_ID:-}" ] && scontrol requeue "$SLURM_JOB_ID" # stopped, with its state saved
exit $status
