#!/usr/bin/env bash
# The README's first command, typed as it stands there, in a fresh clone: how long does it take?
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet "$root" "$work/wpg"
cd "$work/wpg"
command=$(grep -m1 'wpg train Pendulum-v1$' README.md)
start=$(date +%s.%N)
bash -euo pipefail -c "$command" | tee "$work/log"
seconds=$(echo "$(date +%s.%N) - $start" | bc)
ls runs/*/learning.png
mkdir -p "$root/bench/results"
cat > "$root/bench/results/first_command.json" <<JSON
{
  "command": "bash bench/first_command.sh",
  "date": "$(date +%F)",
  "machine": {"processor": "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)", "cores": $(nproc)},
  "figures": {
    "whole command, seconds": $seconds,
    "training alone, seconds": $(python3 -c 'import glob,json; print(json.load(open(glob.glob("runs/*/result.json")[0]))["wall_seconds"])'),
    "last line": "$(tail -1 "$work/log")"
  }
}
JSON
cat "$root/bench/results/first_command.json"
