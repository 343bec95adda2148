import { Command, Option } from 'commander';
import type { DhtFlags, DhtGetFlags, DhtPutFlags } from './commands/dht.ts';
import * as parse from './parse-values.ts';
import type { OutputFlags, Runner } from './program.ts';

const EXAMPLES = `
Examples:
  torrent-ts dht get-peers 'magnet:?xt=urn:btih:…'
  torrent-ts dht ping router.bittorrent.com:6881
  torrent-ts dht put 'hello, world'                prints a target for dht get
  torrent-ts dht put --key my.key --salt notes 'version 2'
`;

/** The words of `torrent-ts dht`: its code is loaded when one of its commands runs. */
export function addDht(program: Command, runner: Runner): void {
  const dht = program
    .command('dht')
    .description('Ask the DHT: for peers, nodes and small values.')
    .helpCommand('help [command]', 'show help about a command')
    .addHelpText('after', EXAMPLES);

  const getPeers = described(dht, 'get-peers', 'Print the peers of a torrent, as they are found.').argument(
    '<torrent>',
    'an info hash, a magnet link, a .torrent file, its http(s) URL, or - for stdin',
  );
  getPeers.action(async (source: string) => {
    const commands = await import('./commands/dht.ts');
    runner.done(await commands.getPeers(contextOf(getPeers), source, getPeers.opts<DhtFlags>()));
  });

  const ping = described(dht, 'ping', 'Ask a node if it is there.').argument(
    '<host:port>',
    'the node',
    (text) => parse.parseHostPort(text),
  );
  ping.action(async (node: parse.HostPort) => {
    const commands = await import('./commands/dht.ts');
    runner.done(await commands.ping(contextOf(ping), node, ping.opts<DhtFlags>()));
  });

  const put = described(dht, 'put', 'Store up to a kilobyte for two hours, and print what finds it.')
    .argument('[text]', 'what to store')
    .addOption(new Option('--file <file>', 'store the bytes of a file, - for stdin'))
    .addOption(
      new Option('--key <file>', 'sign it, so that it can be replaced; the key is made if it is missing'),
    )
    .addOption(salt());
  put.action(async (text: string | undefined) => {
    const commands = await import('./commands/dht.ts');
    runner.done(await commands.put(contextOf(put), text, put.opts<DhtPutFlags>()));
  });

  const get = described(dht, 'get', 'Print what is stored.')
    .argument('<target>', 'as dht put printed it: 40 hexadecimal digits, or 64 of a public key')
    .addOption(salt());
  get.action(async (target: string) => {
    const commands = await import('./commands/dht.ts');
    runner.done(await commands.get(contextOf(get), target, get.opts<DhtGetFlags>()));
  });

  function contextOf(command: Command): ReturnType<Runner['context']> {
    return runner.context(command.optsWithGlobals<OutputFlags>());
  }
}

function described(dht: Command, name: string, description: string): Command {
  return dht
    .command(name)
    .description(description)
    .addOption(
      new Option('--dht-bootstrap <host:port>', 'a node to begin from, instead of the usual ones').argParser<
        parse.HostPort[]
      >((text, before) => [...(before ?? []), parse.parseHostPort(text)]),
    )
    .addOption(
      new Option('--timeout <duration>', 'leave with code 5 after that long')
        .argParser(parse.parseDuration)
        .default(undefined, '30s'),
    )
    .addOption(new Option('--state-dir <folder>', 'where known nodes are kept').env('TORRENT_TS_STATE_DIR'));
}

function salt(): Option {
  return new Option('--salt <text>', 'tells the values of one key apart');
}
