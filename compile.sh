#!/bin/sh
# Makes one of the shipped programs for one site: see docs/sandbox.md, or ./compile.sh --help.
set -eu
exec npx -y deno@2.9.5 run --quiet --allow-all "$(dirname "$0")/tools/ship/compile.ts" "$@"
