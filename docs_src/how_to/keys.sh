#!/usr/bin/env bash
# A key pair: where it lies, and its public half.
set -euo pipefail
cd "$(mktemp --directory)"
kubebox keys generate --output key.pem 2> /dev/null | sed --quiet 1p
stat --format '%a' key.pem

KUBEBOX_PRIVATE_KEY="$PWD/key.pem" kubebox run -- echo 'opened with it'
