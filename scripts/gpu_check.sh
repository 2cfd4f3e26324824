#!/usr/bin/env bash
# On a machine with a CUDA device: the GPU tests and both benchmarks in under ten minutes, and a table of
# what came out in Markdown. Without a device it says so and exits 1.
#
#   bash scripts/gpu_check.sh             figures for the docs
#   bash scripts/gpu_check.sh --quick     whether everything works, no figures
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare all,test
cd "$ROOT"
"$BIN/python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' \
  || fail "no CUDA device here; torch sees none (nvidia-smi shows drivers, nasearch doctor what torch sees)"

case "${1:-}" in
  "") proxy=(--networks 2 --seeds 5) front=(--budget 12 --judge-epochs 3) ;;
  --quick) proxy=(--quick) front=(--quick) ;;
  *) fail "unknown argument $1; expected none, or --quick" ;;
esac

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
status=0

# NAME SECONDS COMMAND...: its output goes to the screen and to a file; a failure is told in the end.
check() {
  local name="$1" most="$2" began=$SECONDS
  shift 2
  echo "== $name"
  timeout "$most" "$@" 2>&1 | tee "$work/$name.txt" || { status=1; echo "failed: $*" >>"$work/$name.txt"; }
  echo "took $((SECONDS - began)) s" >>"$work/$name.txt"
}

check tests 180 "$BIN/python" -m pytest -m gpu tests/gpu -q -rs --no-header --durations=0
check bench_proxy 180 "$BIN/python" scripts/bench_proxy.py --device cuda "${proxy[@]}"
check bench_time_to_front 230 "$BIN/python" scripts/bench_time_to_front.py --device cuda --work "$work/front" "${front[@]}"

echo
"$BIN/python" scripts/gpu_table.py "$work"/*.txt
exit "$status"
