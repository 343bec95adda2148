"""libtorrent as one plain process: libtorrent_peer.py seed|download TORRENT|MAGNET DIR HOST:PORT [--peer HOST:PORT] [--up-limit B/s] [--dht HOST:PORT,...]

Prints `first MS` with the first payload received, `uploaded BYTES` while it sends, and `complete` once it has everything.
"""
import argparse
import signal
import sys
import time

import libtorrent as lt

parser = argparse.ArgumentParser()
parser.add_argument("role", choices=["seed", "download"])
parser.add_argument("torrent")
parser.add_argument("dir")
parser.add_argument("listen")
parser.add_argument("--peer", default=None)
parser.add_argument("--up-limit", type=int, default=0)
parser.add_argument("--dht", default=None, help="take part in the DHT, from these nodes on; may be none")
parser.add_argument("--plain", action="store_true", help="no encrypted attempt")
parser.add_argument("--encrypted", choices=["plaintext", "rc4", "both"], help="no plain attempt; what to offer")
options = parser.parse_args()

settings = {
    "listen_interfaces": options.listen,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "upload_rate_limit": options.up_limit,
    "stop_tracker_timeout": 1,
    "alert_mask": 0,
}
if options.dht is not None:
    # All nodes are on one local network, whose addresses stand for themselves.
    settings |= {
        "enable_dht": True,
        "dht_bootstrap_nodes": options.dht,
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_enforce_node_id": False,
        "dht_prefer_verified_node_ids": False,
    }
if options.plain:
    settings["out_enc_policy"] = int(lt.enc_policy.pe_disabled)
if options.encrypted:
    settings["out_enc_policy"] = settings["in_enc_policy"] = int(lt.enc_policy.pe_forced)
    settings["allowed_enc_level"] = int(getattr(lt.enc_level, "pe_" + options.encrypted))
session = lt.session(settings)
# Peers on local networks are in a class of their own that no limit holds for; here all peers are local.
everyone = lt.ip_filter()
everyone.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
session.set_peer_class_filter(everyone)
if options.torrent.startswith("magnet:"):
    params = lt.parse_magnet_uri(options.torrent)
else:
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(options.torrent)
params.save_path = options.dir
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if options.role == "seed":
    params.flags |= lt.torrent_flags.seed_mode

leaving = []
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, lambda *_: leaving.append(True))

started = time.monotonic()
handle = session.add_torrent(params)
if options.peer:
    host, port = options.peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))

first = complete = False
uploaded = 0
announced = started
while not leaving:
    status = handle.status()
    if not first and status.total_payload_download > 0:
        first = True
        print("first %d" % ((time.monotonic() - started) * 1000), flush=True)
    if status.total_payload_upload != uploaded:
        uploaded = status.total_payload_upload
        print("uploaded %d" % uploaded, flush=True)
    if not complete and status.is_seeding:
        complete = True
        print("complete", flush=True)
    if status.errc.value() != 0:
        sys.exit("error: " + status.errc.message())
    # By itself it would announce in a quarter of an hour, if the network was not there yet at its start.
    if options.dht is not None and time.monotonic() - announced > 3:
        announced = time.monotonic()
        handle.force_dht_announce()
    time.sleep(0.02)
