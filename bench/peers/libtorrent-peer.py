"""libtorrent as a plain process: libtorrent-peer.py seed|leech TORRENT DIR IP:PORT [--peer IP:PORT] [--tuned] [--slots]
A leech leaves when it has everything. --tuned takes the settings that libtorrent itself calls high performance."""
import argparse, time, libtorrent as lt

args = argparse.ArgumentParser()
for name in ("role", "torrent", "dir", "listen"):
    args.add_argument(name)
args.add_argument("--peer", action="append", default=[])
args.add_argument("--tuned", action="store_true")
args = args.parse_args()

settings = lt.high_performance_seed() if args.tuned else {}
settings.update({
    "listen_interfaces": args.listen, "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
    "enable_natpmp": False, "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True, "unchoke_slots_limit": -1,
})
session = lt.session(settings)
wanted = lt.add_torrent_params()
wanted.ti = lt.torrent_info(args.torrent)
wanted.save_path = args.dir
if args.role == "seed":
    wanted.flags |= lt.torrent_flags.seed_mode
wanted.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(wanted)
for peer in args.peer:
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))
while args.role == "seed" or not handle.status().is_seeding:
    time.sleep(0.02)
