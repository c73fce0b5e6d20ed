#!/bin/bash
# A training under PBS, on all GPUs of its machines, by Open MPI's mpirun. Run it in the project's folder, which the
# machines share:
#
#     export WORDS="2d-ofdb-1k 4_pretrain"; qsub -v WORDS jobs/pbs.sh
#     export WORDS="finetune/cifar10 -p checkpoint runs/2d-ofdb-1k/pretrain"; qsub -v WORDS jobs/pbs.sh
#
# The words are those of ./run_all.sh. Five minutes before its time is up, the training saves its state and ends; then the
# job is submitted again, until the training is finished. Adapt the next lines to your cluster.
#PBS -N ofdb
#PBS -l select=2:ncpus=64:ngpus=8:mpiprocs=1
#PBS -l walltime=24:00:00
#PBS -j oe
GPUS=8               # on each machine: ngpus
SECONDS_TO_RUN=86100 # walltime minus five minutes

cd "${PBS_O_WORKDIR:-.}" || exit 2
if [ -z "${WORDS:-}" ] || [ ! -x jobs/machine.sh ]; then
    echo "from the project's folder: export WORDS='EXPERIMENT [NOTEBOOK ...]'; qsub -v WORDS jobs/pbs.sh" >&2
    exit 2
fi
xargs printf '' <<<"$WORDS" || exit 2                        # it names a quote that is not closed
mapfile -d '' -t words < <(xargs printf '%s\0' <<<"$WORDS") # quotes keep words together, and nothing is run
set -- "${words[@]}"
FIRST=$(head -n 1 "$PBS_NODEFILE")
MACHINES=$(sort -u "$PBS_NODEFILE" | wc -l)
number=${PBS_JOBID%%[!0-9]*}
export FIRST MACHINES GPUS PORT=$((20000 + number % 10000))

# timeout warns mpirun, which passes the warning on; without --bind-to none each machine would train on a core or two
timeout --preserve-status --signal=USR1 "$SECONDS_TO_RUN" \
    mpirun -np "$MACHINES" --hostfile "$PBS_NODEFILE" --map-by ppr:1:node --bind-to none \
    -x FIRST -x MACHINES -x GPUS -x PORT \
    bash -c 'RANK=$OMPI_COMM_WORLD_RANK exec jobs/machine.sh "$@"' machine "$@"
status=$?
[ $status = 75 ] && qsub -v WORDS jobs/pbs.sh # stopped, with its state saved
exit $status
