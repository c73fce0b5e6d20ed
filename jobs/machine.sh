#!/bin/bash
# slurm.sh and pbs.sh start this once on each machine of a job, with the words of ./run_all.sh. They set: RANK of this
# machine among MACHINES, GPUS of each, the FIRST machine and its PORT, where the processes meet.
options="--num_processes $((MACHINES * GPUS))"
if [ $((MACHINES * GPUS)) -gt 1 ]; then
    options+=" --multi_gpu --num_machines $MACHINES --machine_rank $RANK"
    options+=" --main_process_ip $FIRST --main_process_port $PORT"
fi
exec ./run_all.sh "$@" --launch "$options"
