#!/usr/bin/env bash
# Everything that wants a GPU, in one command of less than eight minutes on 16 cores, on a machine
# with nvcc, a GPU and a checkout:
#
#     bash bench/cuda/run_all.sh [--date YYYY-MM-DD] [--work FOLDER] [--minutes M]
#
# A virtual environment; a build for this GPU alone; the C++ tests on the device; the benchmark
# beside the card's ceilings; the package with its CUDA routines, and the Python tests that take
# CUDA arrays; PyTorch and JAX beside ours; compute-sanitizer's four tools over the C++ tests and
# the benchmark's cases. A part that fails or cannot run does not stop the others. The last lines
# say of every check whether it passed, failed, or has not run and why; so does
# bench/results/cuda_checks.json. Status 1 if one failed.
#
# What is there is used: cmake, ninja, Eigen, and the Python packages of the python3 on PATH. What is
# missing is asked of pip, which may be without a network: wheels in the folder WPG_WHEELS (.whl in
# the checkout by default) are found too. Everything else is written to FOLDER, build/cuda by
# default. Every step has a limit of time; --minutes (8) stretches them all, for a slower machine.
# shellcheck disable=SC2016,SC2329 # what a step runs in a shell of its own, in quotes or exported
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

date=$(date +%F)
work=$root/build/cuda
minutes=8
while (($# > 0)); do
  case $1 in
    --date) date=${2:?--date wants a value} ;;
    --work) work=$(realpath -m "${2:?--work wants a value}") ;;
    --minutes) minutes=${2:?--minutes wants a value} ;;
    *)
      sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
      exit 2
      ;;
  esac
  shift 2
done
if [[ ! $minutes =~ ^[1-9][0-9]{0,2}$ ]]; then
  echo "--minutes is '$minutes'; it must be a whole number from 1 to 999" >&2
  exit 2
fi
wheels=${WPG_WHEELS:-$root/.whl}
logs=$work/logs
build=$work/build
python=$work/venv/bin/python
mkdir -p "$logs" bench/results
rm -f "$logs"/* # of the run before

deadline=$((minutes * 60 - 15)) # seconds of this script, a reserve for the report left
checks=()    # "name|status|why|seconds", the status passed, failed or not run

note() { # name status why seconds
  checks+=("$1|$2|${3//|/ }|$4")
  printf '== %s: %s%s (%s s)\n' "$1" "$2" "${3:+: $3}" "$4"
}

# Seconds that a step may take: what it asks for, or what is left.
limit() {
  local left=$((deadline - SECONDS)) asked=$(($1 * minutes / 8))
  echo $((left < asked ? (left > 0 ? left : 0) : asked))
}

why_of() { # the last line of a log that says something
  grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c 1-200 || true
}

# step NAME SECONDS COMMAND...: its output goes to a log; 0 passed, 77 not run, anything else failed.
step() {
  local name=$1 most status=0 begin=$SECONDS log
  most=$(limit "$2")
  shift 2
  log=$logs/${name//[^A-Za-z0-9]/_}.log
  if ((most < 2)); then
    note "$name" "not run" "no time was left" 0
    return 1
  fi
  printf -- '-- %s, at most %s s\n' "$name" "$most"
  timeout --kill-after=5 "$most" "$@" >"$log" 2>&1 || status=$?
  local took=$((SECONDS - begin))
  case $status in
    0) note "$name" passed "" "$took" ;;
    77) note "$name" "not run" "$(why_of "$log")" "$took" ;;
    124 | 137)
      tail -n 20 "$log"
      note "$name" failed "it took longer than $most s" "$took"
      ;;
    *)
      tail -n 40 "$log"
      note "$name" failed "status $status: $(why_of "$log")" "$took"
      ;;
  esac
  return $((status == 0 ? 0 : 1))
}

skip() { note "$1" "not run" "$2" 0; }

finish() {
  [[ -z ${downloading:-} ]] || kill "$downloading" 2>/dev/null || true
  printf '\n%s s in all\n' "$SECONDS"
  local failed=0 line name status why
  for line in "${checks[@]}"; do
    IFS='|' read -r name status why _ <<<"$line"
    printf '%-28s %s%s\n' "$name" "$status" "${why:+: $why}"
    [[ $status != failed ]] || failed=1
  done
  printf '%s\n' "${checks[@]}" | CARD=$card DRIVER=$driver TOOLKIT=$toolkit CORES=$(nproc) \
    DATE=$date TOOK=$SECONDS python3 -c '
import json, os, sys

env = os.environ
rows = [line.rstrip("\n").split("|") for line in sys.stdin]
content = {
    "command": "bash bench/cuda/run_all.sh",
    "date": env["DATE"],
    "machine": {
        "card": env["CARD"],
        "driver": env["DRIVER"],
        "toolkit": env["TOOLKIT"],
        "cores": int(env["CORES"]),
    },
    "figures": {
        "seconds": int(env["TOOK"]),
        "checks": {
            name: {"status": status, **({"why": why} if why else {}), "seconds": int(seconds)}
            for name, status, why, seconds in rows
        },
    },
}
with open("bench/results/cuda_checks.json", "w") as file:
    json.dump(content, file, indent=2)
    file.write("\n")
'
  echo "-> bench/results/cuda_checks.json, logs in $logs"
  exit "$failed"
}

# --- what there is

nvcc=${CUDACXX:-$(command -v nvcc || true)}
[[ -n $nvcc || ! -x /usr/local/cuda/bin/nvcc ]] || nvcc=/usr/local/cuda/bin/nvcc
toolkit="none"
if [[ -n $nvcc ]]; then
  export CUDACXX=$nvcc
  toolkit=$("$nvcc" --version | sed -n 's/^.*release \([0-9.]*\),.*V\([0-9.]*\).*$/\2/p')
fi
card=none driver=none gpu=
if command -v nvidia-smi >/dev/null &&
  smi=$(timeout 30 nvidia-smi --query-gpu=name,driver_version --format=csv,noheader -i 0 2>/dev/null); then
  card=${smi%%,*} driver=${smi##*, } gpu=yes
fi
sanitizer=$(command -v compute-sanitizer || true)
if [[ -z $sanitizer && -n $nvcc ]]; then
  near=$(dirname "$(readlink -f "$nvcc")")
  for each in "$near/compute-sanitizer" "$near/../compute-sanitizer/compute-sanitizer"; do
    [[ ! -x $each ]] || sanitizer=$each
  done
fi
printf '%s, driver %s, nvcc %s, %s cores, compute-sanitizer: %s\n' \
  "$card" "$driver" "$toolkit" "$(nproc)" "${sanitizer:-none}"

# --- tools

# An environment that sees the packages of the python3 on PATH, also where that is itself a virtual
# environment, whose packages --system-site-packages does not show.
make_environment() {
  python3 -m venv --system-site-packages "$work/venv" ||
    python3 -m venv --without-pip "$work/venv" || return # pip is then the one above
  local above
  above=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$above" >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/above.pth"
}

pip_install() {
  local links=()
  [[ ! -d $wheels ]] || links=(--find-links "$wheels")
  "$python" -m pip install --quiet --retries 0 --timeout 5 "${links[@]}" "$@"
}

install_tools() { # what pip is asked for
  make_environment || return
  local each offline=() missing=()
  pip_install "$@" && return
  # One at a time, so that one that cannot be had does not keep the others out; offline, which is
  # quick, once it is clear that there is no network.
  for each in "$@"; do
    pip_install "${offline[@]}" "$each" && continue
    offline=(--no-index)
    missing+=("$each")
  done
  ((${#missing[@]} == 0)) && return
  echo "pip cannot fetch ${missing[*]}"
  return 77
}
export -f make_environment pip_install install_tools
export work python wheels

eigen_of_system=
for each in /usr/share/eigen3/cmake /usr/lib/cmake/eigen3 /usr/local/share/eigen3/cmake; do
  [[ ! -e $each/Eigen3Config.cmake ]] || eigen_of_system=$each
done
needed=("pybind11>=3.1,<4" "scikit-build-core>=1.1" "numpy>=1.26" "scipy>=1.11" "gymnasium>=1.2"
  "pytest>=8" "hypothesis>=6.100")
[[ -n $eigen_of_system ]] || needed+=("cmeel-eigen>=3.4.1,<4")
command -v cmake >/dev/null || needed+=("cmake>=3.25")
command -v ninja >/dev/null || needed+=(ninja)
step "tools" 60 bash -euc 'install_tools "$@"' _ "${needed[@]}" || true
has() { "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is None)" 2>/dev/null; }

export PATH=$work/venv/bin:$PATH
cmake=$(command -v cmake || true)
generator=()
! command -v ninja >/dev/null || generator=(-G Ninja)

# A peer that is not there is fetched while the rest runs.
downloading=
if [[ -n $gpu ]] && ! has torch; then
  (timeout 200 "$python" -m pip install --quiet --retries 0 --timeout 5 torch "jax[cuda13]" \
    >"$logs/peers_download.log" 2>&1) &
  downloading=$!
fi

# --- build, for this GPU alone; where there is none PTX, which still shows that all compiles

eigen=$eigen_of_system
if [[ -z $eigen && -x $python ]]; then
  eigen=$("$python" -c '
import pathlib, sys

found = (pathlib.Path(p) / "cmeel.prefix/share/eigen3/cmake" for p in sys.path)
print(next((str(p) for p in found if p.is_dir()), ""))
' 2>/dev/null || true)
fi
architectures=native
[[ -n $gpu ]] || architectures=75-virtual
options=(-DCMAKE_BUILD_TYPE=Release -DWPG_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$architectures"
  ${eigen:+"-DEigen3_DIR=$eigen"})
built=
if [[ -z $nvcc ]]; then
  skip build "there is no nvcc; set CUDACXX to one"
elif [[ -z $cmake ]]; then
  skip build "there is no cmake, and pip cannot fetch it"
elif step configure 40 "$cmake" -S . -B "$build" "${generator[@]}" "${options[@]}" -DWPG_TESTS=ON \
  -DWPG_BENCH=ON; then
  step build 190 "$cmake" --build "$build" --parallel "$(nproc)" --target wpg_cuda_tests \
    wpg_bench_cuda && built=yes || true
fi
why_not=
[[ -n $built ]] || why_not="it is not built"
[[ -n $gpu ]] || why_not=${why_not:-"there is no GPU"}

# --- the C++ tests: nvcc's host pass and the PTX want no GPU

if [[ -z $built ]]; then
  skip "C++ tests" "$why_not"
else
  step "host pass and PTX" 60 ctest --test-dir "$build" --output-on-failure -j "$(nproc)" \
    -R 'test_host_pass|test_ptx_' || true
  if [[ -n $why_not ]]; then
    skip "C++ tests" "$why_not"
  else
    # A test that finds no device is skipped, and that is no pass here.
    step "C++ tests" 60 bash -c 'ctest --test-dir "$0" --output-on-failure -R "_cuda_on_gpu$" | tee "$1" &&
      ! grep -q "Skipped" "$1"' "$build" "$logs/ctest.txt" || true
  fi
fi

# --- the benchmark

program=$build/bench/cuda/wpg_bench_cuda
if [[ -n $why_not ]]; then
  skip benchmark "$why_not"
else
  before=$(stat -c %Y bench/results/cuda.json 2>/dev/null || true)
  step benchmark 90 "$program" --repetitions 9 --date "$date" --json bench/results/cuda.json || true
  cat "$logs/benchmark.log" || true
  if [[ $(stat -c %Y bench/results/cuda.json 2>/dev/null || true) != "$before" ]]; then
    missed=$(grep -c ': missed$' "$logs/benchmark.log" || true)
    if ((missed > 0)); then
      note "fractions that are wanted" failed "$missed are not reached" 0
    else
      note "fractions that are wanted" passed "" 0
    fi
  fi
fi

# --- the package, in the same build folder, whose objects are the same

installed=
if [[ -z $built ]]; then
  skip "package" "$why_not"
elif ! has scikit_build_core || ! has pybind11; then
  skip "package" "scikit-build-core or pybind11 is missing"
else
  config=(-Cbuild-dir="$build" -Cbuild.targets=_core -Cbuild.targets=_cuda)
  for each in "${options[@]}"; do
    [[ $each == -DCMAKE_BUILD_TYPE=* ]] || config+=("-Ccmake.define.${each#-D}")
  done
  step "package" 120 "$python" -m pip install --no-deps --no-build-isolation --no-index \
    --force-reinstall "${config[@]}" . && installed=yes || true
fi

if [[ -z $installed ]]; then
  skip "Python tests" "the package is not installed"
  skip "comparison" "the package is not installed"
elif ! has gymnasium || ! has scipy; then
  skip "Python tests" "gymnasium or scipy is missing, without which wpg is not imported"
  skip "comparison" "gymnasium or scipy is missing, without which wpg is not imported"
elif ! has pytest || ! has hypothesis; then
  skip "Python tests" "pytest or hypothesis is missing"
elif [[ -z $gpu ]]; then
  skip "Python tests" "there is no GPU"
else
  # None of them may be skipped for want of a device.
  step "Python tests" 75 bash -c '"$0" -m pytest -q -rs -p no:cacheprovider tests/python -k cuda |
    tee "$1" && ! grep -qE "no GPU here|without its CUDA routines, and" "$1"' "$python" "$logs/pytest.txt" || true
fi

if [[ -n $installed ]] && has gymnasium && has scipy; then
  if [[ -n $downloading ]]; then
    begin=$SECONDS
    while kill -0 "$downloading" 2>/dev/null && ((SECONDS - begin < $(limit 60))); do sleep 1; done
    kill "$downloading" 2>/dev/null || true
    wait "$downloading" || echo "the peers could not be fetched: $(why_of "$logs/peers_download.log")"
    downloading=
  fi
  step "comparison" 110 "$python" bench/cuda/compare.py --rounds 11 --date "$date" || true
  grep -v '^$' "$logs/comparison.log" || true
fi

# --- compute-sanitizer: the tests and the benchmark's cases, several at a time

if [[ -n $why_not ]]; then
  skip "compute-sanitizer" "$why_not"
elif [[ -z $sanitizer ]]; then
  skip "compute-sanitizer" "it is not installed"
else
  programs=("$build"/tests/cuda/*_cuda_on_gpu "$program --small --repetitions 1 --min-time 1e-9")
  begin=$SECONDS
  most=$(limit 110)
  # A line for every tool and program: tool, status, program.
  for tool in memcheck racecheck initcheck synccheck; do
    for each in "${programs[@]}"; do printf '%s\t%s\n' "$tool" "$each"; done
  done | SANITIZER=$sanitizer MOST=$most LOGS=$logs xargs -d '\n' -P 8 -I{} bash -c '
    IFS=$'"'\t'"' read -r tool program <<<"$1"
    log=$LOGS/$tool.$(basename "${program%% *}").log
    status=0
    # shellcheck disable=SC2086 # a program with its arguments
    timeout --kill-after=5 "$MOST" "$SANITIZER" --tool "$tool" --error-exitcode 9 $program >"$log" 2>&1 || status=$?
    printf "%s\t%s\t%s\n" "$tool" "$status" "$(basename "${program%% *}")"' _ {} \
    >"$logs/sanitizer.txt" 2>"$logs/sanitizer_errors.log" || true
  for tool in memcheck racecheck initcheck synccheck; do
    took=$((SECONDS - begin))
    bad=$(awk -F'\t' -v t="$tool" '$1 == t && $2 != 0 && $2 != 124 && $2 != 137 {print $3 " (" $2 ")"}' \
      "$logs/sanitizer.txt" | paste -sd ' ' -)
    late=$(awk -F'\t' -v t="$tool" '$1 == t && ($2 == 124 || $2 == 137) {print $3}' \
      "$logs/sanitizer.txt" | paste -sd ' ' -)
    clean=$(awk -F'\t' -v t="$tool" '$1 == t && $2 == 0' "$logs/sanitizer.txt" | wc -l)
    if grep -qs 'Device not supported' "$logs/$tool".*.log; then
      note "$tool" "not run" "compute-sanitizer does not support the device" "$took"
    elif [[ -n $bad ]]; then
      grep -hE '=========' "$logs/$tool".*.log | head -n 20 || true
      note "$tool" failed "$bad" "$took"
    elif [[ -n $late ]]; then
      note "$tool" "not run" "longer than $most s: $late; $clean clean" "$took"
    else
      note "$tool" passed "" "$took"
    fi
  done
fi

finish
