#!/bin/sh
# Installs the pinned versions into .venv. Called by make; the arguments are the folders of the workspace.
set -eu
say() { printf '  %s\n' "$*"; }

"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
  echo "zoneshare needs Python 3.11 to 3.13; $PYTHON is $("$PYTHON" -V 2>&1). Try: make PYTHON=python3.12 …" >&2; exit 1; }

mkdir -p .tools
if command -v uv >/dev/null 2>&1; then
  UV=$(command -v uv); run_uv() { "$UV" "$@"; }
else
  if [ ! -x .tools/uv/bin/uv ]; then
    say "uv is not installed: fetching uv $UV_VERSION into .tools"
    # Debian's bare python3 has no ensurepip; then pip's own --target does.
    { "$PYTHON" -m venv .tools/uv >/dev/null 2>&1 && .tools/uv/bin/python -m pip install -q --disable-pip-version-check "uv==$UV_VERSION"; } ||
      { rm -rf .tools/uv && "$PYTHON" -m pip install -q --disable-pip-version-check --target .tools/uv "uv==$UV_VERSION"; } || {
        echo "Cannot fetch uv: $PYTHON has neither venv nor pip, or no package registry answers." >&2; exit 1; }
  fi
  UV=$PWD/.tools/uv/bin/uv; run_uv() { "$UV" "$@"; }
fi
printf 'UV=%s\n' "$UV" > .tools/uv.env

export UV_PYTHON_DOWNLOADS=never
say "making .venv with $("$PYTHON" -V)"
run_uv venv -q --clear --python "$PYTHON" .venv
say "installing $(grep -c '^[a-z].*==' requirements.lock) pinned packages (requirements.lock)"
run_uv pip sync -q --python .venv/bin/python --require-hashes requirements.lock
editable=""
for folder in "$@"; do editable="$editable -e ./$folder"; done
say "installing the parts of zoneshare: $*"
# shellcheck disable=SC2086
run_uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation $editable
