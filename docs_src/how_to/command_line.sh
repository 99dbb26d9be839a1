#!/usr/bin/env bash
# Commands in sandboxes as if they ran here: bytes, input and exit codes go through.
set -euo pipefail
printf 'pear\napple\n' | kubebox run -- sort
kubebox run -- sh -c 'exit 3' || echo "exit code $?"
kubebox run --timeout 0.3 -- sleep 60 2> /dev/null || echo "exit code $?"
kubebox config --json | grep where
