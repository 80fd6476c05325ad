#!/usr/bin/env bash
# The README's tour, as it stands there, in a fresh clone with a fresh environment: every command of
# the tour in its order, the first `wpg train` interrupted when it has a checkpoint, then the ten
# lines of Python. Its pictures are kept. Figures: bench/results/tour.json.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet "$root" "$work/wpg"
cd "$work/wpg"
bash -euo pipefail -c "$(grep -m1 'pip install "\.\[plot\]"' README.md | sed 's/ && [^&]*wpg train.*//')"
export PATH=$PWD/.venv/bin:$PATH
sed -n '/^    wpg sweep .*runs\/first/,/^    wpg train --resume/p' README.md | sed 's/^ *//' >"$work/tour"
sed -n '/^import gymnasium/,/^```/{/^```/d;p}' README.md >"$work/load.py"
start=$(date +%s)
while read -r line; do
  printf '\n$ %s\n' "$line"
  if [[ $line == "wpg train Pendulum"* ]]; then
    bash -c "exec ${line%%#*}" &
    until [[ -e runs/one/checkpoint/agent.npz ]]; do kill -0 $!; sleep 0.1; done
    kill -INT $!
    status=0
    wait $! || status=$?
    [[ $status == 130 ]] || { echo "Ctrl-C ended it with $status" >&2; exit 1; }
  else
    bash -euo pipefail -c "$line"
  fi
done <"$work/tour" | tee "$work/log"
printf '\n$ python load.py\n'
python "$work/load.py"
seconds=$(($(date +%s) - start))
# The run that was stopped and resumed, beside the sweep's of the same seed.
cmp runs/one/evaluations.csv runs/first/Pendulum-v1/wpg-kernel/seed0/evaluations.csv
cp runs/first/learning.png "$root/bench/results/tour_learning.png"
cp runs/first/Pendulum-v1/*/seed0/policy.png "$root/bench/results/tour_policy.png"
python - "$work/log" "$seconds" "$root/bench/results/tour.json" <<'PY'
import datetime, json, os, re, sys

log = open(sys.argv[1]).read()
commands = re.findall(r"^\$ (wpg [^#\n]*?) *(?:#.*)?$", log, re.M)
json.dump(
    {
        "command": "bash bench/tour.sh",
        "date": datetime.date.today().isoformat(),
        "machine": {"cores": os.cpu_count()},
        "figures": {
            "commands": commands,
            "resumed run: evaluations.csv": "the bytes of the run that nobody stopped",
            "seconds after the installation": int(sys.argv[2]),
            "lines with means": [
                line.strip() for line in log.splitlines() if re.search(r"IQM|mean return", line)
            ],
        },
    },
    open(sys.argv[3], "w"),
    indent=2,
)
PY
cat "$root/bench/results/tour.json"
