# Sourced by the other scripts: makes .venv once, and installs again only when setup.cfg changed.
# Usage: foldward_venv EXTRAS   (for example "" or "test"); sets $VENV.
foldward_venv() {
    extras="$1"
    VENV="$ROOT/.venv"
    python=""
    for candidate in "${FOLDWARD_PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python="$candidate"
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "error config.usage: Python 3.11 or newer is needed — hint: sudo apt install python3 python3-venv" >&2
        exit 2
    fi
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "error config.usage: this Python has no venv — hint: sudo apt install python3-venv" >&2
        exit 2
    fi
    # The place of the checkout is part of the stamp: a moved or copied venv points at its old home.
    stamp="$(cat "$ROOT/setup.cfg" "$ROOT/pyproject.toml" | cksum) $ROOT"
    have="$(cat "$VENV/.foldward-$extras" 2>/dev/null || true)"
    if [ ! -x "$VENV/bin/python" ] || [ "$have" != "$stamp" ]; then
        echo "Preparing .venv (once; about a minute, over the network) ..." >&2
        [ -x "$VENV/bin/python" ] || "$python" -m venv "$VENV"
        spec="$ROOT"
        [ -n "$extras" ] && spec="$ROOT[$extras]"
        log="$VENV/install.log"
        if ! "$VENV/bin/python" -m pip install --disable-pip-version-check -e "$spec" >"$log" 2>&1; then
            if grep -Eq 'NewConnectionError|ConnectTimeout|NameResolutionError|ProxyError|Read timed out' "$log"; then
                echo "error config.usage: the packages could not be fetched: no network, or the index is out of" \
                    "reach — hint: connect (or set PIP_INDEX_URL, HTTPS_PROXY) and start the same command again;" \
                    "the whole log is in .venv/install.log" >&2
                exit 2
            fi
            tail -n 15 "$log" >&2
            echo "error config.usage: the installation failed — hint: the whole log is in .venv/install.log" >&2
            exit 2
        fi
        printf '%s' "$stamp" >"$VENV/.foldward-$extras"
    fi
}
