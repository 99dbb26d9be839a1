#!/usr/bin/env bash
# A command and a file over plain HTTP; KUBEBOX_URL is the sandbox's server.
set -euo pipefail
ask() { # METHOD TARGET [ARGUMENT OF CURL…]
    token=$(kubebox token "$1" "$2" --url "$KUBEBOX_URL")
    curl --silent --show-error --fail-with-body --request "$1" --header "Authorization: Bearer $token" "${@:3}" "$KUBEBOX_URL$2"
}

ask POST /v1/sessions --json '{"session_id": "work", "path": "work"}' > /dev/null
ask PUT '/v1/sessions/work/files?path=hello.txt' --data-binary 'Hello from curl' > /dev/null

id=$(cat /proc/sys/kernel/random/uuid)
start='{"execution_id": "'$id'", "command": "wc -c < hello.txt; exit 3", "mode": "background"}'
ask POST /v1/sessions/work/executions --json "$start" > /dev/null
ask GET "/v1/sessions/work/executions/$id?wait=10" | grep --only-matching '"exit_code": *[0-9]*'
ask GET "/v1/sessions/work/executions/$id/output"
