#!/bin/sh
# The older name of scripts/test.
exec "$(dirname "$0")/test" "$@"
