# shellcheck shell=bash
# Functions shared by the deployment tests. Progress goes to standard error.

passed=0

# Reports a passed check.
pass() {
    passed=$((passed + 1))
    echo "ok $1" >&2
}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

# Fails unless TEXT contains PART.
contains() { # NAME TEXT PART
    [[ "$2" == *"$3"* ]] || fail "$1: no $3 in: $2"
}

# Fails unless both values are equal.
equals() { # NAME ACTUAL EXPECTED
    [ "$2" = "$3" ] || fail "$1: expected $3, got: $2"
}

# Repeats a command until it succeeds, and prints the output of the last run. Fails after SECONDS.
until_ok() { # SECONDS NAME COMMAND…
    local end=$((SECONDS + $1)) name=$2 output
    shift 2
    until output=$("$@" 2>&1); do
        ((SECONDS < end)) || fail "$name: timed out: $output"
        sleep 0.2
    done
    echo "$output"
}

# Prints a page. Fails unless its text matches PATTERN.
page_has() { # URL PATTERN
    local text
    text=$(curl --silent --show-error --fail --max-time 10 "$1") || return 1
    echo "$text"
    grep --quiet --extended-regexp "$2" <<<"$text"
}

# Prints the health of each active target in Prometheus, sorted.
targets() { # PROMETHEUS
    curl --silent --fail --max-time 10 "$1/api/v1/targets?state=active" |
        grep --only-matching '"health":"[a-z]*"' | sort
}

# Fails unless Prometheus has COUNT active targets and all are up.
all_up() { # PROMETHEUS COUNT
    local states
    states=$(targets "$1")
    echo "$states"
    [ "$(wc --lines <<<"$states")" = "$2" ] && [ "$(sort --unique <<<"$states")" = '"health":"up"' ]
}

# Fails unless Prometheus has evaluated all rules without errors.
rules_are_healthy() { # PROMETHEUS
    local rules
    rules=$(curl --silent --fail --max-time 10 "$1/api/v1/rules" | grep --only-matching '"health":"[a-z]*"' | sort | uniq --count)
    echo "$rules"
    [ "$(wc --lines <<<"$rules")" = 1 ] && [[ "$rules" == *'"health":"ok"' ]]
}

# Prints the host address at which the port of a service is published.
address_of() { # SERVICE PORT
    docker compose port "$1" "$2"
}
