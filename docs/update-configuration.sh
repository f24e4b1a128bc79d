#!/usr/bin/env bash
# Puts the output of `dstream config schema --markdown` into configuration.md.
#
# usage: docs/update-configuration.sh [BUILD_FOLDER]    (build/dev unless given)
set -euo pipefail
page=$(cd "$(dirname "$0")" && pwd)/configuration.md
build=${1:-$(dirname "$page")/../build/dev}
reference=$(mktemp)
trap 'rm -f "$reference"' EXIT
"$build/host/dstream" config schema --markdown >"$reference"
sed -i -e '/^<!-- begin: /,/^<!-- end -->/{/^<!-- begin: /{p;r '"$reference"'
};/^<!-- end -->/p;d}' "$page"
