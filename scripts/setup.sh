# Shared by run.sh and test.sh, which source it: one virtual environment with nasearch in it.
#
#   source scripts/setup.sh
#   prepare EXTRAS          e.g. `prepare all`; afterwards $BIN holds the environment's programs
#
# The active virtual environment is used if there is one, otherwise .venv in the repository, made when missing.
# An installation is repeated only when pyproject.toml, the extras or the interpreter have changed.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  local name found=""
  for name in python3.13 python3.12 python3.11 python3 python; do
    is_new_enough "$name" || continue
    found="$name"
    if "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      printf '%s\n' "$name"
      return
    fi
  done
  if [ -n "$found" ]; then
    fail "$found cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv"
  fi
  fail "Python 3.11 or newer is needed; looked for python3.13, python3.12, python3.11, python3 and python"
}

programs_of() {
  if [ -d "$1/Scripts" ]; then printf '%s\n' "$1/Scripts"; else printf '%s\n' "$1/bin"; fi
}

prepare() {
  local extras="$1" venv python stamp
  if [ -n "${VIRTUAL_ENV:-}" ]; then
    venv="$VIRTUAL_ENV"
    BIN="$(programs_of "$venv")"
    is_new_enough "$BIN/python" || fail "the active virtual environment $venv has no Python 3.11 or newer"
  else
    venv="$ROOT/.venv"
    BIN="$(programs_of "$venv")"
    if ! is_new_enough "$BIN/python"; then
      python="$(find_python)"
      echo "making $venv with $("$python" --version)"
      "$python" -m venv --clear "$venv"
      BIN="$(programs_of "$venv")"
    fi
  fi

  # The path is part of it: an editable install points to one working copy.
  stamp="$venv/.nasearch-$("$BIN/python" - "$ROOT" "$extras" <<'PY'
import hashlib, pathlib, sys
root, extras = sys.argv[1:]
text = "\n".join([root, extras, sys.version, (pathlib.Path(root) / "pyproject.toml").read_text(encoding="utf-8")])
print(hashlib.sha256(text.encode()).hexdigest()[:16])
PY
)"
  if [ ! -e "$stamp" ]; then
    echo "installing nasearch[$extras] into $venv (the first time this fetches torch, several GB)"
    "$BIN/python" -m pip install --disable-pip-version-check --editable "$ROOT[$extras]"
    touch "$stamp"
  fi
}
