import { Argument, Command, Option } from 'commander';
import type { CreateCommandFlags } from './commands/create.ts';
import type { DemoFlags } from './commands/demo.ts';
import type { DownloadFlags } from './commands/download.ts';
import type { InfoFlags } from './commands/info.ts';
import type { MagnetFlags } from './commands/magnet.ts';
import type { ScrapeFlags } from './commands/scrape.ts';
import type { SeedFlags } from './commands/seed.ts';
import type { TrackerFlags } from './commands/tracker.ts';
import { SHELLS } from './shells.ts';
import type { Shell } from './shells.ts';
import type { Context } from './context.ts';
import { addDht } from './dht-program.ts';
import * as parse from './parse-values.ts';
import { addSimulate } from './simulate-program.ts';
import type { ColorMode, ProgressMode } from './terminal.ts';

/** The words of the command line and nothing else: each command's code is loaded when it runs. */

/** Options before or after any command. */
export interface OutputFlags {
  readonly json?: boolean;
  readonly progress: ProgressMode;
  readonly color: ColorMode;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** How the program gets its world and where the exit code goes. */
export interface Runner {
  /** Makes the context once the options are known. */
  context(flags: OutputFlags): Context;
  /** Called with the exit code of the command. */
  done(exitCode: number): void;
  readonly write: (text: string) => void;
  /** For the help that answers a call without a command. */
  readonly writeError: (text: string) => void;
}

const EXAMPLES = `
Examples:
  torrent-ts demo                                  watch a swarm on this machine
  torrent-ts download debian.torrent -d ~/Downloads
  torrent-ts download 'magnet:?xt=urn:btih:…'
  torrent-ts seed ./photos -t http://tracker.example:6969/announce
  torrent-ts create ./photos -o photos.torrent
`;

export function createProgram(version: string, runner: Runner): Command {
  const program = new Command('torrent-ts');
  // Before the sub-commands, which inherit both when they are made.
  program.exitOverride().configureOutput({
    writeOut: runner.write,
    writeErr: runner.writeError,
    outputError: () => undefined,
  });
  program.configureHelp({
    showGlobalOptions: true,
    optionDescription: describeOption,
    subcommandTerm: (command) => command.name(),
    // `--version` has no place in the help of a command.
    visibleGlobalOptions: (command) =>
      command.parent ? program.options.filter(({ long }) => long !== '--version') : [],
  });
  program
    .description('Download, seed, make and check torrents.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .addOption(option('--json', 'results as JSON on stdout, one event per line'))
    .addOption(
      option('--progress <how>', 'how progress is shown on stderr')
        .choices(['auto', 'bar', 'plain', 'none'])
        .default('auto')
        .env('TORRENT_TS_PROGRESS'),
    )
    .addOption(
      option('--color <when>', 'colours')
        .choices(['auto', 'always', 'never'])
        .default('auto')
        .env('TORRENT_TS_COLOR'),
    )
    .addOption(option('-q, --quiet', 'only results and errors'))
    .addOption(option('-v, --verbose', 'more about what happens'))
    .addHelpText('after', EXAMPLES);

  addDownload(program, runner);
  addSeed(program, runner);
  addCreate(program, runner);
  addInfo(program, runner);
  addMagnet(program, runner);
  addVerify(program, runner);
  addScrape(program, runner);
  addTracker(program, runner);
  addDht(program, runner);
  addDemo(program, runner);
  addSimulate(program, runner);
  addCompletions(program, runner);
  program.helpCommand('help [command]', 'show help about a command');
  return program;
}

const TORRENT = 'a .torrent file, its http(s) URL, or - for stdin';
function exactSource(): Option {
  return option('--exact-source', 'fetch the .torrent from where a magnet link says it is (xs), too');
}

const TORRENT_OR_MAGNET = 'a magnet link, a .torrent file, its http(s) URL, or - for stdin';

function addDownload(program: Command, runner: Runner): void {
  const command = program
    .command('download')
    .description('Download torrents, or go on with them.')
    .argument('<torrent...>', TORRENT_OR_MAGNET)
    .addOption(option('-d, --dir <folder>', 'folder that holds the data').default('.', 'the current one'))
    .addOption(selected('-s, --select <files>', 'only these: numbers of --list (3, 5-8) or globs'))
    .addOption(option('--list', 'show the files with their numbers and leave'))
    .addOption(option('--dry-run', 'show what would be downloaded and leave'))
    .addOption(option('--sequential', 'pieces in order instead of rarest first'))
    .addOption(option('--seed', 'go on seeding when complete'))
    .addOption(
      option('--save-torrent <file>', 'also write the .torrent, for a magnet link as soon as it is known'),
    )
    .addOption(exactSource())
    .addOption(option('--no-web-seeds', 'do not fetch from the web servers that a torrent names'));
  addSeedLimits(command);
  addPeers(command).addOption(
    option('--timeout <duration>', 'leave with code 5 when nothing arrives for that long').argParser(
      parse.parseDuration,
    ),
  );
  addClientOptions(command);
  command.action(async (sources: string[]) => {
    const { download } = await import('./commands/download.ts');
    runner.done(await download(contextOf(runner, command), sources, command.opts<DownloadFlags>()));
  });
}

function addSeed(program: Command, runner: Runner): void {
  const command = program
    .command('seed')
    .description('Seed files: make a torrent of a path, or take the data of a .torrent.')
    .argument('<path...>', 'a file or folder to share, or a .torrent (file, URL, -)')
    .addOption(
      option('-d, --dir <folder>', 'with a .torrent: folder that holds its data').default(
        undefined,
        'the current one',
      ),
    )
    .addOption(selected('-s, --select <files>', 'with a .torrent: only these files'))
    .addOption(option('-o, --output <file>', 'also write the .torrent'))
    .addOption(option('-f, --force', 'replace a .torrent that exists'))
    .addOption(option('--super-seed', 'as the only seed: show peers one piece after the other'));
  addContentOptions(command);
  addSeedLimits(command);
  addPeers(command);
  addClientOptions(command);
  command.action(async (sources: string[]) => {
    const { seed } = await import('./commands/seed.ts');
    runner.done(await seed(contextOf(runner, command), sources, command.opts<SeedFlags>()));
  });
}

function addCreate(program: Command, runner: Runner): void {
  const command = program
    .command('create')
    .description('Make a .torrent of a file or folder.')
    .argument('<path>', 'what to share')
    .addOption(
      option('-o, --output <file>', 'where it goes, - for stdout').default(
        undefined,
        'NAME.torrent in the current folder',
      ),
    )
    .addOption(option('-f, --force', 'replace a file that exists'))
    .addOption(option('-n, --name <name>', 'name in the torrent').default(undefined, 'that of the path'));
  addContentOptions(command);
  command.action(async (path: string) => {
    const { create } = await import('./commands/create.ts');
    runner.done(await create(contextOf(runner, command), path, command.opts<CreateCommandFlags>()));
  });
}

function addInfo(program: Command, runner: Runner): void {
  const command = program
    .command('info')
    .description('Show what is in a .torrent, or behind a magnet link.')
    .argument('<torrent>', TORRENT_OR_MAGNET)
    .addOption(option('--peers', 'who is in the swarm, and how each was found, instead'))
    .addOption(option('-o, --save <file>', 'also write the .torrent'))
    .addOption(option('-f, --force', 'replace a file that exists'))
    .addOption(exactSource());
  addPeers(command).addOption(
    option('--timeout <duration>', 'leave with code 5 when nothing arrives for that long')
      .argParser(parse.parseDuration)
      .default(undefined, '60s'),
  );
  addClientOptions(command);
  command.action(async (source: string) => {
    const { info } = await import('./commands/info.ts');
    runner.done(await info(contextOf(runner, command), source, command.opts<InfoFlags>()));
  });
}

function addMagnet(program: Command, runner: Runner): void {
  const command = program
    .command('magnet')
    .description('Print the magnet link of a .torrent.')
    .argument('<torrent>', TORRENT)
    .addOption(option('--no-trackers', 'without its trackers'));
  addPeers(command);
  command.action(async (source: string) => {
    const { magnet } = await import('./commands/magnet.ts');
    runner.done(await magnet(contextOf(runner, command), source, command.opts<MagnetFlags>()));
  });
}

function addVerify(program: Command, runner: Runner): void {
  const command = program
    .command('verify')
    .description('Check files against their .torrent; code 4 if they are not whole.')
    .argument('<torrent>', TORRENT)
    .argument('[folder]', 'folder that holds the data')
    .addOption(option('-d, --dir <folder>', 'the same, as an option').default('.', 'the current one'));
  command.action(async (source: string, folder: string | undefined) => {
    const { verify } = await import('./commands/verify.ts');
    runner.done(
      await verify(contextOf(runner, command), source, folder ?? command.opts<{ dir: string }>().dir),
    );
  });
}

function addScrape(program: Command, runner: Runner): void {
  const command = program
    .command('scrape')
    .description('Ask trackers how many seed and download a torrent.')
    .argument('<torrent>', TORRENT)
    .addOption(appended('-t, --tracker <urls>', 'ask these instead of its own', parse.parseTier));
  command.action(async (source: string) => {
    const { scrape } = await import('./commands/scrape.ts');
    runner.done(await scrape(contextOf(runner, command), source, command.opts<ScrapeFlags>()));
  });
}

function addTracker(program: Command, runner: Runner): void {
  const command = program
    .command('tracker')
    .description('Run a tracker for a group, over HTTP and UDP.')
    .addOption(
      option('-p, --port <port>', 'port for HTTP, 0 for a free one')
        .argParser(parse.parsePort)
        .default(6969)
        .env('TORRENT_TS_PORT'),
    )
    .addOption(
      option('--udp-port <port>', 'port for UDP')
        .argParser(parse.parsePort)
        .default(undefined, 'the same number; with port 0 another free one'),
    )
    .addOption(option('--no-udp', 'HTTP alone'))
    .addOption(option('--host <address>', 'address to listen on').default(undefined, 'all'));
  command.action(async () => {
    const { tracker } = await import('./commands/tracker.ts');
    runner.done(await tracker(contextOf(runner, command), command.opts<TrackerFlags>()));
  });
}

function addDemo(program: Command, runner: Runner): void {
  const command = program
    .command('demo')
    .description('Watch a swarm of five on this machine: a seeder dies, another lies, the data arrives.')
    .addOption(
      option('--size <size>', 'of the data')
        .argParser(parse.parseSize)
        .default(64 * 1_048_576, '64M'),
    )
    .addOption(option('--keep', 'leave the files for a look'));
  command.action(async () => {
    const { demo } = await import('./commands/demo.ts');
    runner.done(await demo(contextOf(runner, command), command.opts<DemoFlags>()));
  });
}

function addCompletions(program: Command, runner: Runner): void {
  const command = program
    .command('completions')
    .description('Print a completion script for a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS));
  command.action(async (shell: Shell) => {
    const { completions } = await import('./commands/completions.ts');
    runner.done(completions(contextOf(runner, command), program, shell));
  });
}

function addContentOptions(command: Command): void {
  command
    .addOption(
      appended(
        '-t, --tracker <urls>',
        'announce URL; repeat for tiers, commas inside a tier',
        parse.parseTier,
      ),
    )
    .addOption(appended('-w, --web-seed <url>', 'where the files are on the web too', parse.parseWebSeed))
    .addOption(option('--private', 'peers only from the trackers'))
    .addOption(option('--source <text>', 'a tag that gives another info hash'))
    .addOption(option('--comment <text>', 'for people'))
    .addOption(
      option('--piece-size <size>', 'a power of two from 16K')
        .argParser(parse.parsePieceLength)
        .default(undefined, 'by the size of the content'),
    )
    .addOption(appended('--exclude <glob>', 'leave out files of a folder', (glob) => glob))
    .addOption(option('--no-date', 'no time in it: the same content gives the same bytes'));
}

function addSeedLimits(command: Command): void {
  command
    .addOption(
      option('--seed-ratio <ratio>', 'seed until this multiple of the size was sent').argParser(
        parse.parseRatio,
      ),
    )
    .addOption(option('--seed-time <duration>', 'seed that long').argParser(parse.parseDuration));
}

function addPeers(command: Command): Command {
  return command.addOption(
    appended('--peer <host:port>', 'a peer to try besides those of the trackers', parse.parseHostPort),
  );
}

function addClientOptions(command: Command): void {
  command
    .addOption(
      option('-p, --port <port>', 'port that peers reach us at, 0 for a free one')
        .argParser(parse.parsePort)
        .env('TORRENT_TS_PORT'),
    )
    .addOption(
      rate('--down-limit <rate>', 'bytes per second to take, such as 5M').env('TORRENT_TS_DOWN_LIMIT'),
    )
    .addOption(rate('--up-limit <rate>', 'bytes per second to give, such as 500K').env('TORRENT_TS_UP_LIMIT'))
    .addOption(
      option('--max-peers <count>', 'connections at most')
        .argParser(parse.parseCount)
        .env('TORRENT_TS_MAX_PEERS'),
    )
    .addOption(
      option('--encryption <how>', 'of connections to peers')
        .choices(['off', 'prefer', 'require'])
        .default(undefined, 'prefer')
        .env('TORRENT_TS_ENCRYPTION'),
    )
    .addOption(option('--no-dht', 'do not use the DHT to find peers'))
    .addOption(
      appended(
        '--dht-bootstrap <host:port>',
        'a DHT node to begin from, instead of the usual ones',
        parse.parseHostPort,
      ),
    )
    .addOption(option('--no-pex', 'do not exchange peers with peers'))
    .addOption(option('--no-lsd', 'do not look for peers on the local network'))
    .addOption(
      option('--memory <size>', 'buffers at most')
        .argParser(parse.parseMemory)
        .default(undefined, '256M')
        .env('TORRENT_TS_MEMORY'),
    )
    .addOption(option('--state-dir <folder>', 'where resume records are kept').env('TORRENT_TS_STATE_DIR'));
}

/** The description with choices, default and environment variable, in few words. */
function describeOption(option: Option): string {
  const choices = option.argChoices ? `: ${option.argChoices.join(', ')}` : '';
  const value: unknown = option.defaultValueDescription ?? option.defaultValue;
  const isShown = typeof value === 'string' || typeof value === 'number';
  const preset = isShown ? ` (default: ${value})` : '';
  return option.description + choices + preset + (option.envVar ? ` [${option.envVar}]` : '');
}

function option(flags: string, description: string): Option {
  return new Option(flags, description);
}

function rate(flags: string, description: string): Option {
  return option(flags, description).argParser(parse.parseRate);
}

/** An option that may be repeated; each time it adds one value. */
function appended(flags: string, description: string, parseOne: (text: string) => unknown): Option {
  return option(flags, description).argParser<unknown[]>((text, before) => [
    ...(before ?? []),
    parseOne(text),
  ]);
}

/** `--select`, which may be repeated. */
function selected(flags: string, description: string): Option {
  return option(flags, description).argParser<parse.Selection[]>((text, before) => [
    ...(before ?? []),
    ...parse.parseSelect(text),
  ]);
}

function contextOf(runner: Runner, command: Command): Context {
  return runner.context(command.optsWithGlobals<OutputFlags>());
}
