# docker build -t ofdb-lab .                                                       for the CPU
# docker build -t ofdb-lab --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 --build-arg TORCH= .      for NVIDIA GPUs
# --build-arg USER_ID=$(id -u): whose files the results are, and who must be able to write into the folder runs
# docker run --rm -it -p 8888:8888 -v "$PWD/runs:/ofdb-lab/runs" ofdb-lab lab --ip=0.0.0.0
ARG BASE=debian:12-slim
FROM ${BASE}
ARG TORCH=--cpu
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
COPY .devcontainer/system-packages.sh /tmp/
RUN bash /tmp/system-packages.sh
WORKDIR /ofdb-lab
ARG USER_ID=1000
RUN useradd --create-home --non-unique --uid ${USER_ID} ofdb && chown ofdb /ofdb-lab
USER ofdb
COPY --chown=ofdb . .
RUN ./run_all.sh ${TORCH} list
ENTRYPOINT ["./run_all.sh"]
