#!/bin/sh
# Everything worth knowing of the paper's row on an accelerator, in under eight minutes:
#   sh benchmarks/accelerator.sh [FOLDER] [flags of benchmarks.accelerator]
# Writes FOLDER/report.json and FOLDER/report.md after every part: what was cut off leaves the rest.
# On a processor the same at a size of seconds: sh benchmarks/accelerator.sh out --small
set -eu
out=${1:-accelerator}
[ $# -eq 0 ] || shift
exec "${PYTHON:-python3}" -m benchmarks.accelerator --out "$out" "$@"
