# shellcheck shell=bash
# What the tests of the deployment share. They speak of what they do on standard error.

passed=0

# Says what has been shown.
pass() {
    passed=$((passed + 1))
    echo "ok $1" >&2
}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

# Fails unless a text has another one in it.
contains() { # WHAT TEXT PART
    [[ "$2" == *"$3"* ]] || fail "$1: no $3 in: $2"
}

equals() { # WHAT GOT EXPECTED
    [ "$2" = "$3" ] || fail "$1: expected $3, got: $2"
}

# Tries a command until it succeeds; what it printed at last is printed.
until_ok() { # SECONDS WHAT COMMAND…
    local end=$((SECONDS + $1)) what=$2 output
    shift 2
    until output=$("$@" 2>&1); do
        ((SECONDS < end)) || fail "$what, after too long: $output"
        sleep 0.2
    done
    echo "$output"
}

# Prints a page, whose text has to match.
page_has() { # URL PATTERN
    local text
    text=$(curl --silent --show-error --fail --max-time 10 "$1") || return 1
    echo "$text"
    grep --quiet --extended-regexp "$2" <<<"$text"
}

# The names of the targets' states in Prometheus, sorted.
targets() { # PROMETHEUS
    curl --silent --fail --max-time 10 "$1/api/v1/targets?state=active" |
        grep --only-matching '"health":"[a-z]*"' | sort
}

# Fails unless so many targets are there and up.
all_up() { # PROMETHEUS COUNT
    local states
    states=$(targets "$1")
    echo "$states"
    [ "$(wc --lines <<<"$states")" = "$2" ] && [ "$(sort --unique <<<"$states")" = '"health":"up"' ]
}

# Fails unless Prometheus has evaluated all rules without an error.
rules_are_healthy() { # PROMETHEUS
    local rules
    rules=$(curl --silent --fail --max-time 10 "$1/api/v1/rules" | grep --only-matching '"health":"[a-z]*"' | sort | uniq --count)
    echo "$rules"
    [ "$(wc --lines <<<"$rules")" = 1 ] && [[ "$rules" == *'"health":"ok"' ]]
}

# The address at which a service's port is published.
address_of() { # SERVICE PORT
    docker compose port "$1" "$2"
}
