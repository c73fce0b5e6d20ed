#!/bin/bash
# A training under SLURM, on all GPUs of its machines. Run it in the project's folder, which the machines share:
#
#     sbatch jobs/slurm.sh 2d-ofdb-1k 4_pretrain
#     sbatch --nodes=1 jobs/slurm.sh finetune/cifar10 -p checkpoint runs/2d-ofdb-1k/pretrain
#
# The words are those of ./run_all.sh. Two minutes before its time is up, the training saves its state and ends; then the
# job is queued again, until the training is finished. Adapt the next lines to your cluster.
#SBATCH --job-name=ofdb
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

if [ $# = 0 ] || [ ! -x jobs/machine.sh ]; then
    echo "from the project's folder: sbatch jobs/slurm.sh EXPERIMENT [NOTEBOOK ...] [-p NAME VALUE]" >&2
    exit 2
fi
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export FIRST MACHINES=$SLURM_JOB_NUM_NODES GPUS=${SLURM_GPUS_ON_NODE:-1} PORT=$((20000 + SLURM_JOB_ID % 10000))

# exec: the warning reaches the training, not a shell around it. --wait: the first machine shows the training after the
# others have ended; if one of them failed, the rest are ended after these seconds.
srun --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --wait=1800 \
    bash -c 'RANK=$SLURM_NODEID exec jobs/machine.sh "$@"' machine "$@"
status=$?
[ $status = 75 ] && scontrol requeue "$SLURM_JOB_ID" # stopped, with its state saved
exit $status
