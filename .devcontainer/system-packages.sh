#!/usr/bin/env bash
# What a Debian or Ubuntu without anything needs: Python, git (which commit made a result), a C++ compiler (torch.compile)
# and OpenGL without a screen (the viewer).
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates g++ git libegl1 libgl1-mesa-dri python3 python3-dev python3-venv
rm -rf /var/lib/apt/lists/*
