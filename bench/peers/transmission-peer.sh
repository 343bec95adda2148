#!/bin/bash
# Transmission as a plain process: transmission-peer.sh seed|leech TORRENT DIR PORT. A leech leaves when it has everything.
role=$1 torrent=$2 dir=$3 port=$4 config=$3-transmission-$4
mkdir -p "$config"
printf '#!/bin/sh\ntouch "%s/done"\n' "$config" > "$config/done.sh"
chmod +x "$config/done.sh"
cat > "$config/settings.json" <<JSON
{ "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
  "port-forwarding-enabled": false, "peer-port": $port, "rpc-port": $((port + 1000)), "rpc-whitelist-enabled": false,
  "preallocation": 0, "script-torrent-done-enabled": true, "script-torrent-done-filename": "$config/done.sh" }
JSON
transmission-daemon -f -g "$config" -w "$dir" & daemon=$!
trap 'kill -9 $daemon; rm -rf "$config"' EXIT
trap 'exit 0' TERM INT
until transmission-remote $((port + 1000)) -a "$torrent" > /dev/null 2>&1; do sleep 0.1; done
until [ "$role" = leech ] && [ -e "$config/done" ]; do sleep 0.05; done
