# For the graphs that bring their own receiver, in the place of the one across the network.

# wait_for_port tcp|udp PORT PID: returns when somebody listens on PORT; fails when PID ended.
wait_for_port() {
  local port
  printf -v port '%04X' "$2"
  until awk -v kind="$1" -v port="$port" '
      $2 ~ ":" port "$" && (kind == "udp" || $4 == "0A") { found = 1 } END { exit !found }' \
      "/proc/net/$1"; do
    kill -0 "$3" 2>/dev/null || { echo "The receiver ended before it listened." >&2; return 1; }
    sleep 0.1
  done
}

# Whatever happens to this script, it leaves no process behind.
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
