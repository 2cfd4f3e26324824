#!/usr/bin/env bash
# The main job on a fresh machine: set up, then `nasearch run` with the arguments given.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare all
exec "$BIN/nasearch" run "$@"
