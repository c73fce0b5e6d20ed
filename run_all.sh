#!/usr/bin/env bash
# Sets the environment up where needed, then runs the command (python -m ofdb_core).
set -euo pipefail
project=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd) # one path, whatever links lead here
venv=$project/.venv
cpu= quiet= # options for pip
export PYTHONUTF8=1 # files and output are UTF-8, whatever the locale
export PYTHONSAFEPATH=1 # in no process is the current folder, or a script's own, a place to import from

# A signal ends this with the status that says so: here while it sets up, later in Python (ofdb_core/base/signals.py).
stop() {
    trap '' INT TERM USR1
    kill $(jobs -p) 2>/dev/null || true
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 75' TERM USR1

patiently() { "$@" & wait $!; } # without hindering the traps

has() { command -v "$1" >/dev/null; }

die() { echo "run_all.sh: $*" >&2; exit 1; }

# The help of the command itself; before anything is set up, the list of docs/commands.md.
help() {
    locate
    if is_ready; then run --help; fi
    echo "./run_all.sh [--cpu] [words]: sets .venv up on the first call (--cpu: with the CPU build of torch), then runs them:"
    sed -n 's|^    ofdb|    ./run_all.sh|p; /^## /q' "$project/docs/commands.md"
}

# The first Python of a version that is supported; where there is none, uv fetches one.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    has uv && uv python install --quiet 3.13 && uv python find 3.13 && return
    die "no Python 3.11 to 3.14 was found; install one (Debian: apt-get install python3 python3-venv)"
}

# A virtual environment with pip; Debian keeps what venv needs for that in a package of its own.
make_venv() {
    patiently "$1" -m venv --clear "$venv" >/dev/null 2>&1 && return
    if "$1" -m pip --version >/dev/null 2>&1; then
        "$1" -m venv --clear --without-pip "$venv" && "$1" -m pip --python "$venv/bin/python" install --quiet pip && return
    fi
    if [ "$(id -u)" = 0 ] && has apt-get; then
        echo "installing Debian's python3-venv ..."
        { apt-get update -qq && apt-get install -y -qq python3-venv; } >/dev/null && "$1" -m venv --clear "$venv" && return
    fi
    die "Python's venv module cannot make an environment with pip here; install it (Debian: apt-get install python3-venv)"
}

# Sets $python, that of an active conda environment of environment.yml or of .venv, and $stamp, the pins that .venv needs.
locate() {
    python=$venv/bin/python stamp=
    if [ -n "${CONDA_PREFIX:-}" ] && [ "${CONDA_DEFAULT_ENV:-}" = ofdb-lab ]; then
        python=$CONDA_PREFIX/bin/python
    else
        stamp="$project $(cd "$project" && cat requirements.txt requirements-torch.txt pyproject.toml | cksum)"
    fi
}

# Makes .venv, or renews it when the pins have changed.
# Every run holds .venv.lock (descriptor 9) while it lives, so .venv is never renewed under a run or by two at once.
set_up() {
    locate
    if [ -z "$stamp" ]; then return; fi
    if [ ! -w "$project" ] && is_ready; then return; fi # nobody can renew it
    base=$(find_python)
    exec 9>>"$venv.lock"
    lock LOCK_SH
    if is_ready; then return; fi
    lock "LOCK_EX | LOCK_NB" 2>/dev/null || { echo "waiting for another run to leave .venv ..." && lock LOCK_EX; }
    is_ready || install
    lock LOCK_SH
}

is_ready() { [ -x "$python" ] && { [ -z "$stamp" ] || [ "$(cat "$venv/pins" 2>/dev/null)" = "$stamp" ]; }; }

lock() { patiently "$base" -c "from fcntl import *; flock(9, $1)"; } # macOS has no flock in its shell

install() {
    cat <<'TEXT'
setting up .venv, once: downloads 0.4 GB of packages, then torch: 3 GB where it comes with CUDA (Linux), 0.2 GB where it
does not (macOS, or anywhere by ./run_all.sh --cpu) ...
TEXT
    make_venv "$base"
    [ -t 1 ] || quiet=-qq # where someone looks, they see each package come
    patiently hashed_packages && patiently torch && patiently itself ||
        die "the packages could not be installed (see above); mend the cause and run this again"
    echo "$stamp" >"$venv/pins"
}

hashed_packages() {
    local pip=("$python" -m pip install --disable-pip-version-check)
    if has uv; then pip=(uv pip install --compile-bytecode --python "$python"); fi
    cd "$project" && exec "${pip[@]}" $quiet --no-deps --require-hashes -r requirements.txt
}

# requirements-torch.txt says why these come by themselves.
torch() {
    cd "$project" && exec "$python" -m pip install --disable-pip-version-check $quiet $cpu -r requirements-torch.txt
}

# Without what it needs, which is there: pip would add what pyproject.toml keeps out of requirements.txt.
itself() {
    cd "$project" && exec "$python" -m pip install --disable-pip-version-check $quiet --no-deps --no-build-isolation -e .
}

# Runs the command; signals that come while Python starts are held back until it can take them (where env can do that).
run() {
    local hold="env --block-signal=INT --block-signal=TERM --block-signal=USR1"
    $hold true 2>/dev/null || hold=
    exec $hold "$python" -m ofdb_core "$@"
}

if [ "${1:-}" = --cpu ]; then
    cpu="--index-url https://download.pytorch.org/whl/cpu" # where PyTorch keeps its CPU builds
    shift
fi

case "${1:-}" in
    -h | --help | help) help ;;
    *)
        set_up
        run "$@"
        ;;
esac
