#!/usr/bin/env bash
# Installs the real clients that `npm run test:interop` runs beside torrent-ts. Debian's packages need root; WebTorrent
# comes from npm into a folder outside the project, with a Node new enough for it.
set -euo pipefail

packages=(python3-libtorrent transmission-daemon transmission-cli aria2 opentracker nginx-light iproute2)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  # The package starts a server on port 80, which nobody asked for.
  if [[ " ${missing[*]} " == *' nginx-light '* ]]; then service nginx stop >/dev/null 2>&1 || true; fi
fi

folder=${TORRENT_TS_PEERS:-$HOME/.cache/torrent-ts-peers}
arch=$(node -p process.arch)
if [ ! -e "$folder/node_modules/webtorrent/package.json" ]; then
  echo "installing webtorrent into $folder"
  mkdir -p "$folder/no-webrtc"
  # Its WebRTC transport is a native add-on that TCP does not use: an empty package stands in for it.
  echo '{ "name": "webrtc-polyfill", "version": "1.1.10", "type": "module", "exports": "./index.js" }' \
    >"$folder/no-webrtc/package.json"
  for name in RTCPeerConnection RTCSessionDescription RTCIceCandidate; do echo "export class $name {}"; done \
    >"$folder/no-webrtc/index.js"
  echo 'export default {};' >>"$folder/no-webrtc/index.js"
  cat >"$folder/package.json" <<JSON
{
  "private": true,
  "dependencies": { "webtorrent": "^3.0.0", "node-linux-$arch": "^24.0.0" },
  "overrides": { "webrtc-polyfill": "file:./no-webrtc" }
}
JSON
  (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --silent)
fi
